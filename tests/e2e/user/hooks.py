"""Hooks: functions in C, C++ and assembly, called at instructions whose effect is known from their source."""

from contract import covers
from disassembly import symbol_address
from hooking import PRINTS, TARGET, at, called, compiled, expect, hooked, instruction, lines, numbers
from rewriting import TARGETS, patch, punster, run


@covers("subcommand:cc", "action:call")
def a_count_is_told_at_the_end(work):
    hook = compiled(work, "count")
    loop = called(work, hook, "site_loop", "entry()")
    expect((loop.stdout, lines(loop)) == (PRINTS, ["3 calls"]), loop)


@covers("subcommand:cc")
def registers_by_value_are_sign_extended(work):
    show = compiled(work, "show")
    rbx = 0x1122334455667788
    for register, value in {"rbx": rbx, "ebx": 0x55667788, "bx": 0x7788, "bl": 0x88 - 256, "bh": 0x77, "rax": 5,
                            "eax": 5, "al": 5, "rdx": 0, "r8": 0}.items():
        seen = called(work, show, "site_add", f"one({register})", name=register)
        expect((seen.stdout, lines(seen)) == (PRINTS, [str(value)]), (register, seen))


@covers("action:call")
def registers_are_written_back(work):
    write = compiled(work, "write")
    # At site_add rax is 5, and what eax then is plus 2 is printed.
    for call, printed in {"set64(&rax, 0x100000001)": "3 13 39\n", "set32(&eax, -1)": "1 13 39\n",
                          "set16(&ax, 0x1234)": "1236 13 39\n", "set8(&al, 0x70)": "72 13 39\n",
                          "set8(&ah, 1)": "107 13 39\n", "add64(&r8, 1)": PRINTS,
                          "both(&rax, &rbx)": "5566778a 13 39\n"}.items():
        # Where rax is not 7 afterwards, site_jcc adds 0x100 to r8.
        expected = printed if printed == PRINTS else printed.replace("39", "139")
        seen = called(work, write, "site_add", call, name="out" + call[:5])
        expect(seen.stdout == expected, (call, expected, seen))
    # Behind a `call` of check nothing else uses rcx: r8 is what helper gets.
    seen = called(work, write, "site_ret", "add64(&r8, 0x1000)", name="callee")
    expect(seen.stdout == "7 13 1039\n", seen)


@covers("action:call")
def metadata_is_what_objdump_says(work):
    show = compiled(work, "show")
    insn = instruction("site_store")
    address = symbol_address(TARGET, "site_store")
    expected = {"one((static)addr)": str(address), "one(size)": str(insn.size), "hex(bytes, size)": insn.bytes.hex(),
                "one((static)next)": str(address + insn.size), "one(offset)": str(address),
                "one(modrm)": str(insn.bytes[2]), "one(rex)": "72", "one(op.size)": "2", "text(mnemonic)": "mov",
                "text(section)": ".text", "one(I[1].size)": str(instruction("site_load").size), "one(id)": "0",
                "one((static)F)": str(symbol_address(TARGET, "check")), "text(NULL)": "nothing", "one(target)": "0",
                "text('a, (b)')": "a, (b)", "one(-3)": "-3", "one(2 + 0x10)": "18", "one(op[7])": "0"}
    for number, (call, line) in enumerate(expected.items()):
        seen = called(work, show, "site_store", call, name=f"out{number}")
        expect((seen.stdout, lines(seen)) == (PRINTS, [line]), (call, line, seen))
    assembly = lines(called(work, show, "site_add", "text(asm)"))
    expect(assembly == ["add $0x2, %eax"], assembly)
    length = len(assembly[0])
    expect(lines(called(work, show, "site_add", "eight(asm.len, asm.size, 3, 4, 5, 6, 7, -8)")) ==
           [f"{length} {length + 1} 3 4 5 6 7 -8"], "asm.len")


@covers("action:call")
def addresses_move_with_the_program(work):
    """addr - (static)addr is the same constant for everything that has an address."""
    show = compiled(work, "show")
    seen = called(work, show, "site_call", "eight(addr, (static)addr, base, next, &value, (static)&value, rip, target)")
    addr, static, base, following, value, static_value, rip, target = numbers(lines(seen)[0])
    expect(static == symbol_address(TARGET, "site_call") and addr - static == base and rip == addr, seen)
    expect(following == target == base + symbol_address(TARGET, "helper"), seen)
    expect(static_value == symbol_address(TARGET, "value") and value - static_value == base, seen)


@covers("action:call")
def memory_operands_by_value_and_by_address(work):
    show, write = compiled(work, "show"), compiled(work, "write")
    for label, call, line in (("site_load", "one(mem[0])", "16"), ("site_index", "one(mem[0])", "32"),
                              ("site_index", "one(mem32<(%r10)>)", "1"), ("site_index", "one(mem[0].base)", None),
                              ("site_index", "one(mem[0].index)", "2"), ("site_index", "one(mem[0].scale)", "4"),
                              ("site_index", "one(mem[0].disp)", "4"), ("site_index", "one(op[0].size)", "4"),
                              ("site_index", "one(op[0].type)", "3"), ("site_index", "one(op[0].access)", "-127"),
                              ("site_index", "one(src[0])", "32"), ("site_index", "one(dst[0])", None),
                              ("site_push", "one(mem[0])", None), ("site_fs", "one(mem[0])", None),
                              ("site_add", "one(imm[0])", "2"), ("site_byte", "one(src[0])", "-120")):
        seen = called(work, show, label, call)
        expect(seen.stdout == PRINTS and (line is None or lines(seen) == [line]), (label, call, seen))
    # mov value(%rip), %r8 loads what was written there before.
    seen = called(work, write, "site_load", "set64(&mem[0], 0x20)")
    expect(seen.stdout == "7 13 49\n", seen)
    seen = called(work, write, "site_index", "add64(&mem64<4(%r10,%r11,4)>, 1)")
    expect(seen.stdout == "7 13 3a\n", seen)
    seen = called(work, write, "site_load", "set64(&op[1], 0x99)")  # r8, which is overwritten
    expect(seen.stdout == PRINTS, seen)
    seen = called(work, write, "site_load", "set64(&dst[0], 0x99)", prefix="after", checked=False)
    expect(seen.stdout == "7 13 c2\n", seen)


@covers("action:call")
def the_address_of_thread_memory(work):
    """mov %fs:0, %rcx: the first word of a thread's memory holds its address."""
    show = compiled(work, "show")
    seen = called(work, show, "site_fs", "eight(mem[0], &mem[0], 0, 0, 0, 0, 0, 0)")
    value, address = numbers(lines(seen)[0])[:2]
    expect(value == address, seen)


@covers("action:call")
def immediates_have_constant_copies(work):
    seen = called(work, compiled(work, "overloads"), "site_add", "f(&op[1])")
    expect(seen.stdout == PRINTS and "int* 5" in lines(seen), seen)
    seen = called(work, compiled(work, "show"), "site_add", "hex(&imm[0], 8)")
    expect(lines(seen) == ["0200000000000000"], seen)


@covers("action:call")
def the_next_instruction_of_branches(work):
    show = compiled(work, "show")
    base = "eight((static)addr, base, next, target, 0, 0, 0, 0)"

    def offsets(label):
        result = []
        for line in lines(called(work, show, label, base)):
            address, where, following, target = numbers(line)[:4]
            expect(address == symbol_address(TARGET, label), line)
            result.append((following - where - address, target - where - address if target else 0))
        return result

    jcc, loop = instruction("site_jcc"), instruction("site_loop")
    taken = (jcc.size + int.from_bytes(jcc.bytes[1:], "little", signed=True))
    back = loop.size + int.from_bytes(loop.bytes[1:], "little", signed=True)
    expect(offsets("site_jcc") == [(taken, taken)], "je is taken")
    expect(offsets("site_loop") == [(back, back), (back, back), (loop.size, back)], offsets("site_loop"))
    helper = symbol_address(TARGET, "helper") - symbol_address(TARGET, "site_call")
    expect(offsets("site_call") == [(helper, helper)], "the call")
    behind = symbol_address(TARGET, "site_call") + instruction("site_call").size - symbol_address(TARGET, "site_ret")
    expect(offsets("site_ret") == [(behind, behind)], "the return")
    add = instruction("site_add").size
    expect(offsets("site_add") == [(add, 0)], "no branch")


@covers("action:call")
def state_has_every_register(work):
    seen = called(work, compiled(work, "show"), "site_jcc", "dump(state)", checked=False)
    words = lines(seen)[0].split()
    state = {name: int(value, 16) for name, value in zip(words[::2], words[1::2])}
    expect(seen.stdout == PRINTS, seen)
    rbx = 0x1122334455667788
    expect((state["rax"], state["rbx"], state["r9"], state["rdx"], state["r8"]) == (7, rbx, rbx, 0x10, 0x10), state)
    expect(state["rcx"] & 0xffff == 0x7788 and state["rsi"] & 0xffff == 0x7788 and state["rdi"] == 0x55667788, state)
    expect(state["rsp"] % 16 == 8 and state["rip"] & 0xfff == symbol_address(TARGET, "site_jcc") & 0xfff, state)
    expect(state["flags"] & 0x4000, "cmp left the zero flag set")


@covers("action:call")
def state_is_written_back(work):
    seen = called(work, compiled(work, "write"), "site_jcc", "through_state(state)", checked=False)
    # je is not taken any more: + 0x100; rdx goes on from 2.
    expect(seen.stdout == "1 5 1139\n", seen)


@covers("action:call")
def flags_are_written_back(work):
    write = compiled(work, "write")
    for call in ("toggle(&flags, 0x4000)", "toggle_all(&rflags, 0x40)"):
        seen = called(work, write, "site_jcc", call)
        expect(seen.stdout == "7 13 139\n", (call, seen))
    seen = called(work, write, "site_jcc", "toggle(&flags, 0x8501)")  # all but the zero flag
    expect(seen.stdout == PRINTS, seen)
    show = compiled(work, "show")
    flags, rflags = (numbers(lines(called(work, show, "site_jcc", f"one({name})"))[0])[0] for name in ("flags", "rflags"))
    expect(flags & 0xff01 == 0x4600 and rflags & 0x8d5 == 0x44, (hex(flags), hex(rflags)))


@covers("action:call")
def overloads_are_chosen_by_type(work):
    hook = compiled(work, "overloads")
    rbx = 0x1122334455667788
    for label, line in (("site_quad", f"long {rbx:x}"), ("site_long", "int 55667788"), ("site_word", "short 7788"),
                        ("site_byte", "char 88"), ("site_high", "char 77")):
        seen = called(work, hook, label, "f(src[0])")
        expect((seen.stdout, lines(seen)) == (PRINTS, ["constructed", line, "destroyed"]), (label, seen))
    for call, line in (("f(&rbx)", f"long* {rbx:x}"), ("f(&ebx)", "int* 55667788"), ("f(asm)", "text add $0x2, %eax"),
                       ("f(op[5])", "nothing"), ("f((int32_t)rbx)", "int 55667788"), ("plain(4)", "plain 7"),
                       ("f((const char *)&value)", "text ")):
        seen = called(work, hook, "site_add", call)
        expect(lines(seen) == ["constructed", line, "destroyed"], (call, seen))


@covers("action:call")
def init_and_fini_of_all_kinds_of_programs(work):
    hook = compiled(work, "started")
    for program in ("hooked", "fixed_address", "static_c", "static_pie"):
        requests = ["-M", "symbol == 'main' and F.entry", "-P", f"entry()@{hook}"]
        command = [work / "out", "one", "two"]
        seen = hooked(work, requests, TARGETS / program, command=command, env={"HOOK_TEST": "yes"})
        kind = "static" if program == "static_c" else "dynamic"
        before = run([TARGETS / program, "one", "two"])
        expect(seen.stderr.splitlines() == [f"init 3 two yes {kind}", "entry 3 yes", "fini"], (program, seen))
        expect((seen.status, seen.stdout) == (before.status, before.stdout), (program, seen))


@covers("action:call")
def threads_share_the_variables(work):
    hook = compiled(work, "count")
    requests = ["-M", "jmp and symbol == 'work'"]
    counted = patch(TARGETS / "threads", work / "counted", [*requests, "-P", "count(atomic)"])
    plain = run([counted.output])
    rows = punster("top", "--once", "--format", "csv", f"{counted.output}.counts").stdout.splitlines()[1:]
    seen = hooked(work, [*requests, "-P", f"entry_of_threads()@{hook}"], TARGETS / "threads")
    total = sum(int(row.split(",")[0 if not row.startswith("0x") else 1]) for row in rows)
    expect(total > 100000 and lines(seen) == [f"{total} calls"] and seen.stdout == plain.stdout, (rows, seen))


@covers("action:call")
def processes_share_a_file(work):
    hook = compiled(work, "shared")
    requests = ["-M", "ret and symbol == 'main'", "-P", f"entry(3)@{hook}"]
    program = patch(TARGETS / "hello", work / "out", requests).output
    for _ in range(3):
        run([program], env={"HOOK_COUNTS": str(work / "counts")})
    counts = (work / "counts").read_bytes()
    expect(len(counts) == 64 and int.from_bytes(counts[24:32], "little") == 3, counts)


@covers("action:call")
def vector_registers_by_pointer(work):
    write = compiled(work, "write")
    # paddd %xmm1, %xmm1: the upper word of the low half, 0x40000000, doubled and shifted is 8.
    seen = called(work, write, "site_vector", "set32(&xmm1, 0)")
    expect(seen.stdout == PRINTS, seen)
    seen = called(work, write, "site_vector", "set64(&xmm1, 0x1000000010000000)")
    expect(seen.stdout == "7 13 33\n", seen)
    for pointer in ("&op[0]", "&reg[1]", "&ymm1" if avx() else "&xmm1"):
        seen = called(work, write, "site_vector", f"set64({pointer}, 0x2000000020000000)")
        expect(seen.stdout == "7 13 35\n", (pointer, seen))


def avx(name="avx"):
    return f" {name} " in open("/proc/cpuinfo").read()


@covers("option:--vector", "action:call")
def vector_hooks_leave_vector_state_alone(work):
    """Every instruction of a program full of vector code calls a hook that overwrites all vector registers."""
    hook = compiled(work, "floating", "--vector")
    for program in ("vectors", "hooked"):
        seen = hooked(work, ["-M", "symbol != 'main' or not ret", "-M", "section == '.text'", "-P",
                             f"entry((static)addr)@{hook}"], TARGETS / program)
        expect(seen.stdout == run([TARGETS / program]).stdout and seen.status == 0, (program, seen))
    if avx():
        seen = called(work, hook, "site_vector", "show(&ymm1)")
        expect(lines(seen) == ["2305843009750564864 4000000040000000 0"], seen)


@covers("action:call")
def break_skips_the_instruction(work):
    hook = compiled(work, "control")
    for call, printed in (("yes()", "5 13 139\n"), ("no()", PRINTS), ("is(rax, 5)", "5 13 139\n"), ("is(rax, 6)", PRINTS)):
        seen = called(work, hook, "site_add", call, "if", "break", checked=False)
        expect(seen.stdout == printed, (call, seen))
    # A branch that is skipped falls through.
    seen = called(work, hook, "site_jcc", "yes()", "if", "break", checked=False)
    expect(seen.stdout == "7 13 139\n", seen)
    # A call that is skipped: helper does not run.
    seen = called(work, hook, "site_call", "yes()", "if", "break", checked=False)
    expect(seen.stdout == "7 13 38\n", seen)


@covers("action:call")
def goto_goes_anywhere(work):
    hook = compiled(work, "control")
    # From site_add to site_jcc: nothing in between happens, r8 and rdx stay 0. The flags are those of main's last xor.
    seen = called(work, hook, "site_add", "to(&site_jcc)", "if", "goto", checked=False)
    expect(seen.stdout == "5 3 29\n", seen)
    seen = called(work, hook, "site_add", "nowhere()", "if", "goto", checked=False)
    expect(seen.stdout == PRINTS, seen)
    # Straight to where the program would go anyway, with all registers and flags.
    for label in ("site_add", "site_store", "site_vector"):
        seen = called(work, hook, label, "to(next)", "after if", "goto", checked=False)
        expect(seen.stdout == PRINTS, (label, seen))
    seen = called(work, hook, "site_jcc", "to(next)", "if", "goto", checked=False)
    expect(seen.stdout == PRINTS, seen)


@covers("action:call", "action:break")
def functions_replace_instructions(work):
    write = compiled(work, "write")
    seen = called(work, write, "site_add", "add64(&rax, 0x10)", prefix="replace", checked=True)
    expect(seen.stdout == "15 13 139\n", seen)
    seen = called(work, write, "site_store", "set64(&mem[0], 0x77)", prefix="replace")
    expect(seen.stdout == "7 13 a0\n", seen)
    seen = hooked(work, [*at("site_add"), "-P", "break"])
    expect(seen.stdout == "5 13 139\n", seen)


@covers("action:call")
def after_the_instruction_its_result_is_there(work):
    show = compiled(work, "show")
    for prefix, line in (("before", "5"), ("after", "7"), ("", "5")):
        seen = called(work, show, "site_add", "one(rax)", prefix=prefix, checked=prefix != "after")
        expect((seen.stdout, lines(seen)) == (PRINTS, [line]), (prefix, seen))
    # Not behind a branch that is taken, nor behind a call.
    for label in ("site_jcc", "site_call", "site_out"):
        seen = called(work, show, label, "one(1)", prefix="after", checked=False)
        expect((seen.stdout, lines(seen)) == (PRINTS, []), (label, seen))


@covers("action:call", "action:print", "action:signal")
def actions_are_composed_as_e9tool_does(work):
    """Before (in order), the instruction or what replaces it, after (in order)."""
    show = compiled(work, "show")
    requests = [*at("site_add"), "-P", f"after one(3)@{show}", "-P", f"replace one(2)@{show}", "-P", "print", "-P",
                f"before one(1)@{show}", "-P", f"after one(4)@{show}"]
    seen = hooked(work, requests, checked=False)
    expect((seen.stdout, lines(seen)) == ("5 13 139\n", ["add $0x2, %eax", "1", "2", "3", "4"]), seen)
    seen = hooked(work, [*at("site_add"), "-P", f"one(1)@{show}", "-P", "signal(SIGUSR1)"])
    expect((seen.status, seen.stderr) == (-10, "1\n"), seen)


@covers("action:call")
def naked_calls_save_their_arguments_only(work):
    bare = compiled(work, "bare")
    seen = called(work, bare, "site_add", "twice<naked>(rax, &rbx)")
    expect(seen.stdout == PRINTS, seen)
    seen = called(work, bare, "site_add", "twice<naked>(21, &rsi)")
    expect(seen.stdout == PRINTS, seen)
    seen = called(work, bare, "site_load", "twice<naked>(21, &mem[0])")
    expect(seen.stdout == "7 13 53\n", seen)
    seen = called(work, bare, "site_quad", "twice<clean>(rbx, &r12)")
    expect(seen.stdout == PRINTS, seen)


@covers("action:call")
def string_instructions_find_the_direction_flag_clear(work):
    hook = compiled(work, "strings")
    program = TARGETS / "flags_kept"  # which sets it, and looks
    seen = hooked(work, ["-M", "symbol == 'check'", "-P", f"entry()@{hook}"], program)
    expect((seen.stdout, lines(seen)) == (run([program]).stdout, []), seen)


@covers("action:call")
def columns_of_a_table_are_arguments(work):
    show = compiled(work, "show")
    address = symbol_address(TARGET, "site_add")
    (work / "table.csv").write_text(f"{address:#x},42,hello\n")
    for call, line in (("one(table[1])", "42"), ("text(table[2])", "hello"), ("one(table[1] * 2)", "84")):
        done = punster("patch", *at("site_add"), "-P", f"{call}@{show}", TARGET, "-o", work / "out", cwd=work)
        expect(done.status == 0, done)
        expect(lines(run([work / "out"])) == [line], call)


@covers("action:call")
def calls_at_every_instruction_change_nothing(work):
    """Red zones, flags, coroutines' stacks, signals, exceptions: a hook between any two instructions."""
    hook = compiled(work, "count")
    for program in ("flags_kept", "red_zone", "red_zone_asm", "coroutines", "alternate_stack", "exceptions", "recursion",
                    "stack_operands", "fixed_address", "static_c", "signals"):
        before = run([TARGETS / program])
        seen = hooked(work, ["-M", "section == '.text'", "-P", f"entry()@{hook}"], TARGETS / program)
        expect((seen.status, seen.stdout) == (before.status, before.stdout), (program, before, seen))
        calls = int(seen.stderr.splitlines()[-1].split()[0]) if seen.stderr else 0
        expect(calls > 20 or seen.status != 0, (program, seen))


@covers("action:call")
def trampolines_have_addresses(work):
    """`trampoline` lies in executable memory, apart from the program."""
    seen = called(work, compiled(work, "show"), "site_add", "eight(trampoline, addr, 0, 0, 0, 0, 0, 0)")
    trampoline, addr = numbers(lines(seen)[0])[:2]
    expect(seen.stdout == PRINTS and 4096 < abs(trampoline - addr) < 1 << 31, seen)


@covers("action:call")
def source_lines_are_arguments(work):
    show = compiled(work, "show")
    (work / "lines.c").write_text("int main(void) {\n  volatile int x = 3;\n  return x - 3;\n}\n")
    run(["gcc", "-g", "-O0", work / "lines.c", "-o", work / "lines"])
    requests = ["-M", "line == 3 and mnemonic == 'ret' or line == 2 and defined(mem[0])", "-P", f"one(line)@{show}", "-P",
                f"text(basename)@{show}"]
    seen = hooked(work, requests, work / "lines")
    expect(lines(seen)[:2] == ["2", "lines.c"], seen)


@covers("action:call")
def the_header_does_what_it_says(work):
    seen = called(work, compiled(work, "header"), "site_add", "entry()")
    expect((seen.status, seen.stderr) == (3, "checked\n"), seen)
