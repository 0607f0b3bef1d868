"""What each action does to a program, seen from outside."""

import re
import struct

from contract import covers
from disassembly import instructions, symbol_address
from rewriting import TARGETS, Failure, patch, punster, run, verify

LICENCE = TARGETS / "licence_check"


def expect(condition, what):
    if not condition:
        raise Failure(what)


def patched_run(work, requests, program=LICENCE, name="out", extra=(), checked=True):
    rewritten = patch(program, work / name, requests, extra)
    if checked:
        verify(program, rewritten)
    return rewritten, run([work / name], cwd=work)


@covers("action:empty", "exit:0")
def empty_changes_nothing(work):
    before = run([LICENCE])
    _, after = patched_run(work, ["-M", "jmp", "-P", "empty"])
    expect((before.status, before.stdout) == (after.status, after.stdout) == (1, "no licence\n"), f"{after}")


@covers("action:bytes")
def bytes_flip_the_licence_check(work):
    """mov eax, 1; ret in place of the check's first instruction, whatever its length is."""
    start = symbol_address(LICENCE, "licence_is_valid")
    first = next(i for i in instructions(LICENCE) if i.address == start)
    expect(run([LICENCE]).stdout == "no licence\n", "the check is not there to begin with")
    # push 1; pop rax; ret needs four bytes; the check begins with push rbp or sub rsp.
    code = {1: "c3", 2: "58c3"}.get(first.size, "6a0158c3")
    if first.size >= 4:
        _, after = patched_run(work, ["-M", f"addr == {start:#x}", "-P", f"bytes({code})"])
        expect((after.status, after.stdout) == (0, "welcome\n"), f"{after}")
        return
    # Too short for that: make the branch after the call the other way round instead.
    branch = branch_after_the_check()
    flipped = bytes([branch.bytes[0] ^ 1]) + branch.bytes[1:] if branch.size == 2 else \
        branch.bytes[:1] + bytes([branch.bytes[1] ^ 1]) + branch.bytes[2:]
    _, after = patched_run(work, ["-M", f"addr == {branch.address:#x}", "-P", f"bytes({flipped.hex(' ')})"])
    expect((after.status, after.stdout) == (0, "welcome\n"), f"{after}")


def branch_after_the_check():
    listing = instructions(LICENCE)
    call = next(i for i, insn in enumerate(listing) if "licence_is_valid" in insn.text and "call" in insn.text)
    return next(i for i in listing[call:] if re.match(r"j(e|ne|z|nz)\b", i.mnemonic))


@covers("action:jump")
def jump_flips_the_licence_check(work):
    start = symbol_address(LICENCE, "licence_is_valid")
    to = symbol_address(LICENCE, "always_true")
    _, after = patched_run(work, ["-M", f"addr == {start:#x}", "-P", f"jump({to:#x})"])
    expect((after.status, after.stdout) == (0, "welcome\n"), f"{after}")
    _, after = patched_run(work, ["-M", f"addr == {start:#x}", "-P", "jump(always_true)"], name="named")
    expect((after.status, after.stdout) == (0, "welcome\n"), f"by name: {after}")


@covers("action:nop")
def nop_removes_the_branch(work):
    branch = branch_after_the_check()
    _, after = patched_run(work, ["-M", f"addr == {branch.address:#x}", "-P", "nop"])
    if after.stdout == "no licence\n":  # the branch leads to the good side
        expect(after.status == 1, f"{after}")
    else:
        expect((after.status, after.stdout) == (0, "welcome\n"), f"{after}")


@covers("action:exit")
def exit_ends_the_program_with_the_status(work):
    call = next(i for i in instructions(LICENCE) if "licence_is_valid" in i.text and "call" in i.text)
    _, after = patched_run(work, ["-M", f"addr == {call.address:#x}", "-P", "exit(57)"])
    expect((after.status, after.stdout) == (57, ""), f"{after}")


@covers("action:print", "match:call")
def print_writes_the_assembly_text_to_stderr(work):
    _, after = patched_run(work, ["-M", "call", "-P", "print"])
    expect(after.stdout == "no licence\n" and after.status == 1, f"{after}")
    lines = after.stderr.splitlines()
    expect(lines and all("call" in line for line in lines), f"stderr: {after.stderr[:500]}")
    start = symbol_address(LICENCE, "licence_is_valid")
    expect(any(f"{start:x}" in line for line in lines), f"the call of the check is missing: {lines}")


@covers("action:print", "option:--syntax")
def print_in_intel_syntax(work):
    both = {}
    for syntax in ("att", "intel"):
        _, after = patched_run(work, ["-M", "mnemonic == \"lea\"", "-P", "print"], name=syntax,
                               extra=["--syntax", syntax])
        both[syntax] = after.stderr.splitlines()
    expect(len(both["att"]) == len(both["intel"]) > 0, f"{both}")
    expect("%" in both["att"][0] and "[" in both["intel"][0], f"{both}")


@covers("action:breakpoint", "action:trap")
def breakpoint_raises_sigtrap(work):
    start = symbol_address(LICENCE, "licence_is_valid")
    for action in ("breakpoint", "trap"):
        _, after = patched_run(work, ["-M", f"addr == {start:#x}", "-P", action], name=action)
        expect(after.status == -5, f"{action}: {after}")


def counts(file):
    done = punster("top", "--once", "--format", "csv", file)
    expect(done.status == 0, f"punster top: {done}")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    address, count = rows[0].index("address"), rows[0].index("count")
    return {int(row[address], 16): int(row[count]) for row in rows[1:]}


@covers("action:count", "option:--counters", "option:--once", "subcommand:top", "format:csv")
def count_outlives_the_process_and_adds_up(work):
    start = symbol_address(LICENCE, "licence_is_valid")
    patch(LICENCE, work / "out", ["-M", f"addr == {start:#x}", "-P", "count"], ["--counters", work / "data"])
    for _ in range(3):
        run([work / "out"], cwd=work)
    expect(counts(work / "data") == {start: 3}, f"{counts(work / 'data')}")


@covers("action:count", "subcommand:patch")
def count_file_has_a_default_place_that_is_printed(work):
    rewritten = patch(LICENCE, work / "out", ["-M", "ret", "-P", "count"])
    expect(str(work / "out.counts") in rewritten.run.stdout + rewritten.run.stderr, f"{rewritten.run}")
    run([work / "out"], cwd="/")
    expect(sum(counts(work / "out.counts").values()) > 0, "nothing counted")


@covers("action:count(atomic)")
def atomic_counts_lose_nothing_between_threads(work):
    program = TARGETS / "threads"
    hot = [i for i in instructions(program) if i.function == "work"]
    requests = ["-M", " or ".join(f"addr == {i.address:#x}" for i in hot), "-P", "count(atomic)"]
    patched_run(work, requests, program, extra=["--counters", work / "data"])
    loop = [c for c in counts(work / "data").values() if c > 8 * 100]
    expect(loop and all(c % 8 == 0 for c in loop) and len(set(loop)) <= 2, f"{counts(work / 'data')}")


@covers("action:print", "action:exit")
def several_actions_run_in_order(work):
    start = symbol_address(LICENCE, "licence_is_valid")
    at = ["-M", f"addr == {start:#x}"]
    _, after = patched_run(work, [*at, "-P", "print", "-P", "exit(9)"])
    expect(after.status == 9 and len(after.stderr.splitlines()) == 1, f"{after}")
    _, after = patched_run(work, [*at, "-P", "exit(9)", "-P", "print"], name="other")
    expect(after.status == 9 and after.stderr == "", f"{after}")
    _, after = patched_run(work, [*at, "-P", "print", "-M", "ret", "-P", "exit(3)"], name="groups")
    expect(after.status in (3, 1) and len(after.stderr.splitlines()) <= 1, f"{after}")
