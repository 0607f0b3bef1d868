"""The variables that a rewritten program looks at."""

import re
import struct

from contract import covers
from rewriting import TARGETS, Failure, patch, run


def expect(condition, what, result):
    if not condition:
        raise Failure(f"{what}\nexit status {result.status}\n{result.stdout}{result.stderr}")


@covers("environment:PUNSTER_DEBUG")
def debug_says_what_was_mapped(work):
    program = patch(TARGETS / "hello", work / "hello", ["-M", "true", "-P", "empty"], ["--layout", "loader"]).output
    plain, telling = run([program]), run([program], env={"PUNSTER_DEBUG": "1"})
    expect(plain.stderr == "", "something was said unasked", plain)
    expect(telling.stdout == plain.stdout, "the output differs", telling)
    line = r"punster: \S+/hello: runs patched \(\d+ mappings of trampolines, [1-9]\d* of code, \d+ traps, bias 0x[0-9a-f]+, pages of the file\): "
    expect(re.match(line, telling.stderr) and telling.stderr.count("\n") == 1, "the line is not there", telling)


@covers("environment:PUNSTER_TRAPS", "option:--tactics")
def traps_are_counted(work):
    program = patch(TARGETS / "hello", work / "hello", ["-M", "ret", "-P", "empty"], ["--tactics", "B0"]).output
    traps = work / "traps"
    traps.write_bytes(bytes(8))
    for _ in range(2):
        run([program], env={"PUNSTER_TRAPS": str(traps)})
    once = struct.unpack("<Q", traps.read_bytes())[0] // 2
    result = run([program], env={"PUNSTER_TRAPS": str(traps)})
    expect(once > 0 and struct.unpack("<Q", traps.read_bytes())[0] == 3 * once, "not the same number each time", result)
    missing = run([program], env={"PUNSTER_TRAPS": str(work / "missing")})
    expect("cannot be opened" in missing.stderr and missing.status == result.status, "a missing file is not reported", missing)


@covers("environment:PUNSTER_STRICT")
def strict_ends_instead_of_running_unpatched(work):
    """Through the dynamic loader, with its libraries in the way, or else the program is patched as always."""
    program = patch(TARGETS / "hello", work / "hello", ["-M", "true", "-P", "empty"]).output
    loader = "/lib64/ld-linux-x86-64.so.2"
    lenient = run([loader, program])
    strict = run([loader, program], env={"PUNSTER_STRICT": "1"})
    if "unpatched" in lenient.stderr:
        expect(strict.status == 127 and strict.stdout == "", "it ran all the same", strict)
    else:
        expect(strict == lenient, "it differs although it runs patched", strict)


@covers("environment:PUNSTER_COUNTERS", "action:count")
def another_counters_file(work):
    program = patch(TARGETS / "hello", work / "hello", ["-M", "ret", "-P", "count"], ["--counters", work / "counters"]).output
    (work / "other").write_bytes((work / "counters").read_bytes())
    before = (work / "counters").read_bytes()
    result = run([program], env={"PUNSTER_COUNTERS": str(work / "other")})
    expect((work / "counters").read_bytes() == before, "the first file was counted into", result)
    expect((work / "other").read_bytes() != before, "the other file was not counted into", result)
