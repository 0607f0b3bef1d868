"""What debuggers and profilers find in a rewritten file. (Backtraces with gdb: tests/e2e/unwinding.)"""

import re

from contract import covers
from elf_file import ElfFile
from rewriting import TARGETS, Failure, patch, punster, run, verify

ALL = ["-M", "true", "-P", "empty"]


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def section(path, name):
    """(offset, size) in the file, or None."""
    line = re.search(rf" {re.escape(name)} +\w+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)",
                     run(["readelf", "-SW", path]).stdout)
    return line and tuple(int(x, 16) for x in line.groups())


@covers("option:--no-unwind", "statistic:unwind")
def no_unwind_leaves_symbols_and_rows_out(work):
    with_all = patch(TARGETS / "hello", work / "with", ALL)
    without = patch(TARGETS / "hello", work / "without", ALL, ["--no-unwind"])
    found, none = with_all.stats["unwind"], without.stats["unwind"]
    expect(found["functions"] > 3 and found["symbols"] >= found["functions"] - 2, found)
    expect(found["left_out"] == 0 and found["note"] is None, found)
    expect(none == {"functions": 0, "left_out": 0, "stubs": 0, "for_process": 0, "symbols": 0, "bytes": 0, "note": None}, none)
    grown = with_all.output.stat().st_size - without.output.stat().st_size
    expect(abs(grown - found["bytes"]) < 1500, (grown, found))  # names and section headers
    listed = run(["nm", with_all.output]).stdout
    expect(" main.trampolines\n" in listed, listed)
    expect(section(with_all.output, ".debug_frame") and not section(without.output, ".debug_frame"), "rows")
    expect(".trampolines" not in run(["nm", without.output]).stdout, "symbols without asking")


@covers("option:--unwind-rows")
def the_rows_of_stubs_can_be_had_and_left_out(work):
    outputs = {which: patch("/usr/bin/ls", work / which, ALL, ["--unwind-rows", which]) for which in ("auto", "bodies", "all")}
    stubs = {which: output.stats["unwind"]["stubs"] for which, output in outputs.items()}
    expect(stubs["bodies"] == 0 and stubs["auto"] == stubs["all"] > 5000, stubs)
    # Every instruction of a large program a site: so many stubs are not described unless somebody asks.
    large = patch("/usr/bin/bash", work / "large", ALL)
    expect(large.stats["unwind"]["stubs"] == 0 < large.stats["unwind"]["functions"], large.stats["unwind"])
    raw = run(["readelf", "-wf", outputs["all"].output]).stdout
    stub_pages = [line for line in raw.splitlines() if "FDE" in line]
    expect(len(stub_pages) > outputs["bodies"].stats["unwind"]["functions"], len(stub_pages))
    refused = punster("patch", "-M", "jmp", "-P", "empty", "/usr/bin/ls", "-o", work / "out", "--unwind-rows", "some")
    expect(refused.status == 2 and "--unwind-rows" in refused.stderr and not (work / "out").exists(), refused)


@covers("statistic:unwind")
def compressed_rows_of_the_input_are_kept(work):
    source = work / "old.c"
    source.write_text("__asm__(\".cfi_sections .eh_frame, .debug_frame\");\n"
                      + "".join(f"int f{i}(int x) {{ return x * {i} + 1; }}\n" for i in range(50))
                      + "int main(void) { return f7(1) != 8; }\n")
    run(["gcc", "-O1", "-gz=zlib", "-Wl,--compress-debug-sections=zlib", source, "-o", work / "old"])
    before = run(["readelf", "-SW", work / "old"]).stdout
    expect(re.search(r"\.debug_frame .* C ", before), before)
    rewritten = patch(work / "old", work / "new", ALL)
    expect(rewritten.stats["unwind"]["note"] is None, rewritten.stats["unwind"])
    rows = run(["readelf", "-wf", work / "new"]).stdout.count("FDE")
    expect(rows > run(["readelf", "-wf", work / "old"]).stdout.count("FDE") + 50, rows)


@covers("option:--unwind-rows", "statistic:unwind")
def the_program_can_be_given_rows(work):
    program = TARGETS / "exceptions"
    rewritten = patch(program, work / "out", ALL, ["--unwind-rows", "process"])
    expect(rewritten.stats["unwind"]["for_process"] > 5, rewritten.stats["unwind"])
    verify(program, rewritten)
    expected = run([program])
    stripped = work / "stripped"
    expect(run(["strip", rewritten.output, "-o", stripped]).status == 0, "strip")
    for output in (rewritten.output, stripped):
        found = run([output])
        expect((found.status, found.stdout) == (expected.status, expected.stdout), found)
        index = re.search(r"GNU_EH_FRAME +0x\w+ 0x0*(\w+) ", run(["readelf", "-lW", output]).stdout).group(1)
        expect(re.search(rf" \.eh_frame_hdr +PROGBITS +0*{index} ", run(["readelf", "-SW", output]).stdout), index)
    # An entry of the index that leads elsewhere does not pass.
    offset = int(re.search(r"GNU_EH_FRAME +0x(\w+) ", run(["readelf", "-lW", rewritten.output]).stdout).group(1), 16)
    for entry in (0, 3, 8):
        damaged = bytearray(rewritten.output.read_bytes())
        damaged[offset + 12 + 8 * entry + 4] ^= 8
        (work / "damaged").write_bytes(damaged)
        refused = punster("verify", program, work / "damaged")
        expect(refused.status == 1 and "unwind rows" in refused.stdout + refused.stderr, refused)
    # Without an index there is nothing to continue.
    bare = work / "bare"
    (work / "bare.c").write_text("int main(void) { return 0; }\n")
    run(["gcc", "-Wl,--no-eh-frame-hdr", work / "bare.c", "-o", bare])
    without = patch(bare, work / "without", ALL, ["--unwind-rows", "process"])
    expect(without.stats["unwind"]["for_process"] == 0 and run([without.output]).status == 0, without.stats["unwind"])


@covers("statistic:unwind")
def damaged_frames_are_noted_not_refused(work):
    elf = ElfFile((TARGETS / "hello").read_bytes())
    offset, size = section(TARGETS / "hello", ".eh_frame")
    elf.put(offset + size // 2 & ~7, "<QQ", 0x7fffffff, 2**64 - 1)
    elf.put(offset, "<I", 0x7ffffff0)
    damaged = work / "hello"
    damaged.write_bytes(elf.data)
    damaged.chmod(0o755)
    rewritten = patch(damaged, work / "out", ["-M", "jmp", "-P", "empty"])
    unwind = rewritten.stats["unwind"]
    expect(unwind["functions"] == 0 and "damaged" in unwind["note"], unwind)
    expect(unwind["symbols"] > 0, unwind)
    expect(not section(rewritten.output, ".debug_frame"), "rows from a damaged table")
    before, after = run([damaged]), run([rewritten.output])
    expect((before.status, before.stdout) == (after.status, after.stdout), (before, after))
