"""Every family of match expressions against objdump's reading of the same program."""

import json
import re

from contract import covers
from disassembly import instructions, symbol_address
from rewriting import ROOT, TARGETS, Failure, punster, run

PROGRAM = TARGETS / "jump_table"
SOURCE = ROOT / "tests" / "targets" / "jump_table.c"


def sites(*requests, program=PROGRAM, extra=()):
    words = [w for r in requests for w in ("-M", r)]
    done = punster("sites", *words, "--format", "json", program, *extra)
    if done.status not in (0, 1):
        raise Failure(f"punster sites {requests}: {done.stderr}")
    return {int(row["address"], 16) for row in json.loads(done.stdout or "[]")}


def code():
    """objdump's instructions, without what is only padding between functions."""
    known = sites("true")
    listing = [i for i in instructions(PROGRAM) if i.address in known]
    if len(listing) != len(known) or len(listing) < 100:
        raise Failure(f"{len(known)} instructions here, objdump agrees on {len(listing)}")
    return listing


def same(expression, wanted, may_be_empty=False):
    got, want = sites(expression), {i.address for i in code() if wanted(i)}
    if not want and not may_be_empty:
        raise Failure(f"{expression}: the target has no such instruction, nothing is proven")
    if got != want:
        show = lambda s: [i.text for i in code() if i.address in s][:5]
        raise Failure(f"{expression}: missing {show(want - got)}, too many {show(got - want)}")


def is_jump(i):
    return i.mnemonic.startswith("j")


def is_conditional(i):
    return is_jump(i) and not i.mnemonic.startswith("jmp")


@covers("match:true", "subcommand:sites", "format:json")
def everything(work):
    objdumps = {i.address for i in instructions(PROGRAM) if "nop" not in i.text and "cs" not in i.text}
    known = {i.address for i in code()}
    missing = {a for a in objdumps - known}
    if len(missing) > 2:  # the unreachable hlt behind __libc_start_main
        raise Failure(f"not found: {[hex(m) for m in missing]}")


@covers("match:jmp", "match:jcc", "match:call", "match:ret")
def kinds_of_instructions(work):
    same("jmp", is_jump)
    same("jcc", is_conditional)
    same("call", lambda i: i.mnemonic.startswith("call"))
    same("ret", lambda i: i.mnemonic.startswith("ret"))


@covers("match:syscall")
def system_calls(work):
    program = TARGETS / "bare_syscalls"
    want = {i.address for i in instructions(program) if i.mnemonic == "syscall"}
    if sites("syscall", program=program) != want or len(want) != 2:
        raise Failure(f"{sites('syscall', program=program)} != {want}")


@covers("match:and", "match:or", "match:not", "match:(")
def boolean_operators(work):
    same("jmp and not jcc", lambda i: is_jump(i) and not is_conditional(i))
    same("call or ret", lambda i: i.mnemonic[:3] in ("cal", "ret"))
    same("not (jmp or call or ret)", lambda i: not is_jump(i) and i.mnemonic[:3] not in ("cal", "ret"))
    same("ret or jcc and size == 2", lambda i: i.mnemonic == "ret" or is_conditional(i) and i.size == 2)
    both = sites("jmp", "size == 2")
    if both != sites("jmp and size == 2"):
        raise Failure("several -M are not joined by and")


@covers("match:size", "match:==", "match:!=", "match:<", "match:<=", "match:>", "match:>=")
def comparisons(work):
    same("size == 5", lambda i: i.size == 5)
    same("size != 5", lambda i: i.size != 5)
    same("size < 3", lambda i: i.size < 3)
    same("size <= 3", lambda i: i.size <= 3)
    same("size > 6", lambda i: i.size > 6)
    same("size >= 6", lambda i: i.size >= 6)


@covers("match:addr", "match:offset", "match:symbol", "match:section")
def places(work):
    main = symbol_address(PROGRAM, "main")
    same(f"addr == {main:#x}", lambda i: i.address == main)
    same(f"addr >= {main:#x}", lambda i: i.address >= main)
    same(f"offset == {main:#x}", lambda i: i.address == main)  # .text of a PIE: file offset = address
    same('section == ".plt"', lambda i: i.section == ".plt", may_be_empty=True)
    same('section == ".text"', lambda i: i.section == ".text")
    same('symbol == "main"', lambda i: i.function == "main")


@covers("match:target")
def targets_of_branches(work):
    step = symbol_address(PROGRAM, "step")
    same(f"call and target == {step:#x}", lambda i: "call" in i.mnemonic and i.text.endswith("<step>"))
    same("call and target == &step", lambda i: "call" in i.mnemonic and i.text.endswith("<step>"))


@covers("match:target")
def calls_of_functions_of_other_files(work):
    # Lazily bound, with the second PLT of control-flow enforcement, bound at start; without any PLT.
    for flags in ([], ["-fcf-protection=full", "-Wl,-z,ibtplt"], ["-Wl,-z,now"], ["-fno-plt", "-Wl,-z,now"]):
        program = work / "-".join(["program", *flags]).replace("/", "")
        compiled = run(["cc", "-O1", *flags, "-o", program, SOURCE])
        if compiled.status != 0:
            raise Failure(compiled.stderr)
        wanted = {i.address for i in instructions(program) if i.text.endswith("<printf@plt>")}
        if ("-fno-plt" in flags) == bool(wanted):
            raise Failure(f"{flags}: objdump sees {len(wanted)} calls of printf through a PLT")
        if not wanted:
            done = punster("sites", "-M", "call and target == &printf", program)
            if done.status != 2 or "printf" not in done.stderr:
                raise Failure(f"{flags}: {done}")
            continue
        got = sites("call and target == &printf", program=program)
        if got != wanted:
            raise Failure(f"{flags}: {sorted(map(hex, got))} instead of {sorted(map(hex, wanted))}")


@covers("match:mnemonic", "match:asm", "match:regex", "option:--syntax")
def texts(work):
    same('mnemonic == "lea"', lambda i: i.mnemonic == "lea")
    same('mnemonic == /lea|push/', lambda i: i.mnemonic in ("lea", "push"))
    same('asm == /ret.*/', lambda i: i.text.startswith("ret"))
    same('asm =~ /.*%rsp.*/', lambda i: "%rsp" in i.text)
    same('asm == /push/', lambda i: i.text == "push", may_be_empty=True)  # the whole text must match
    intel = sites('asm == /lea .*\\[.*/', extra=["--syntax", "intel"])
    if intel != {i.address for i in code() if i.mnemonic == "lea"}:
        raise Failure(f"--syntax intel: {intel}")


@covers("match:in", "match:csv", "match:json")
def lists(work):
    chosen = sorted(i.address for i in code())[5:25:3]
    (work / "list.csv").write_text("address,comment\n" + "".join(f"{a:#x},x\n" for a in chosen))
    (work / "list.json").write_text(json.dumps([f"{a:#x}" for a in chosen]))
    for name in ("list.csv", "list.json"):
        if sites(f'addr in "{work / name}"') != set(chosen):
            raise Failure(f"{name}: {sorted(sites(f'addr in {chr(34)}{work / name}{chr(34)}'))}")
    same("size in {1, 3}", lambda i: i.size in (1, 3))
    done = punster("sites", "-M", "jcc", "--format", "csv", PROGRAM)
    (work / "own.csv").write_text(done.stdout)
    if sites(f'addr in "{work / "own.csv"}"') != sites("jcc"):
        raise Failure("the output of `sites --format csv` does not come back as a list")


def operands(i):
    """objdump's operands, in AT&T order, without symbols and comments."""
    text = re.sub(r"\s*[#<].*", "", i.text)
    for word in ("bnd ", "notrack ", "rep ", "lock "):
        text = text.replace(word, "")
    rest = text.split(None, 1)[1:] or [""]
    return [o for o in re.split(r",(?![^(]*\))", rest[0]) if o] if rest[0] else []


def ordinary(i):
    return i.mnemonic in ("mov", "movl", "movb", "movq", "add", "sub", "xor", "and", "or", "cmp", "cmpl", "lea", "test")


@covers("match:op", "match:reg", "match:mem", "match:imm", "match:src", "match:dst")
def operand_families(work):
    def check(expression, wanted):
        got = {i.address for i in code() if ordinary(i)} & sites(expression)
        want = {i.address for i in code() if ordinary(i) and wanted(operands(i))}
        if got != want or not want:
            show = lambda s: [i.text for i in code() if i.address in s][:5]
            raise Failure(f"{expression}: missing {show(want - got)}, too many {show(got - want)}")
    check("defined(imm[0])", lambda o: any(x.startswith("$") for x in o))
    check("defined(mem[0])", lambda o: any("(" in x or x.startswith("0x") for x in o))
    check("reg[0] == rsp", lambda o: [x for x in o if x.startswith("%")][:1] == ["%rsp"])
    check("imm[0] == 1", lambda o: "$0x1" in o)
    # Operands count in the order of the text: sources first in AT&T.
    moves = {i.address for i in code() if i.mnemonic == "mov"}
    from_rsp = {i.address for i in code() if i.mnemonic == "mov" and operands(i)[0] == "%rsp"}
    if moves & sites("src[0] == rsp") != from_rsp:
        raise Failure("src[0] == rsp")
    to_rdi = {i.address for i in code() if i.mnemonic == "mov" and operands(i)[-1] == "%edi"}
    if moves & sites("dst[0] == edi") != to_rdi:
        raise Failure("dst[0] == edi")
    if not sites("op[1] == rsp") & sites("mnemonic == \"sub\""):
        raise Failure("op[1] == rsp finds no sub of rsp")


@covers("match:reads", "match:writes")
def registers_read_and_written(work):
    pushes = {i.address for i in code() if i.mnemonic == "push"}
    for expression in ("rsp in reads", "rsp in writes"):
        if not pushes or not pushes <= sites(expression):
            raise Failure(f"{expression}: push is missing")
    compares = {i.address for i in code() if i.mnemonic in ("cmp", "test", "cmpl")}
    if not compares or compares & sites("rax in writes"):
        raise Failure("a compare writes no register")


@covers("match:BB", "match:F", "match:random")
def blocks_and_functions(work):
    known = code()
    entries = sites("BB.entry")
    targets = {int(m[1], 16) for i in known if is_jump(i) and (m := re.match(r"\w+ ([0-9a-f]+) <", i.text))}
    missing = {a for a in targets & {i.address for i in known} if a not in entries}
    if missing or not targets:
        raise Failure(f"targets of jumps that begin no block: {[hex(a) for a in missing]}")
    same('jcc and BB[-1].mnemonic == "cmp"', lambda i: is_conditional(i) and i.address not in entries and
         known[known.index(i) - 1].mnemonic.startswith("cmp"))
    begin = symbol_address(PROGRAM, "main")
    same('F.name == "main"', lambda i: i.function == "main")
    if sites("F.entry and F.name == \"main\"") != {begin} or sites(f"F == {begin:#x} and F.entry") != {begin}:
        raise Failure("main does not begin where its symbol is")
    exits = sites("BB.exit")
    if len(exits) != len(entries) or len(sites("BB.best")) != len(entries):
        raise Failure(f"{len(entries)} blocks begin, {len(exits)} end")
    same("ret and not BB.exit", lambda i: False, may_be_empty=True)
    half = sites("random < 0x40000000")
    if half != sites("random < 0x40000000") or not 0.3 < len(half) / len(known) < 0.7:
        raise Failure(f"random is not random: {len(half)} of {len(known)}")
