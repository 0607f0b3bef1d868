"""Source lines: match expressions, counters and coverage by file and line, against independent readers."""

import json
import re
import shutil
import struct
import subprocess

from contract import covers
from disassembly import instructions
from rewriting import BUILD, PUNSTER, TARGETS, Failure, calls, patch, punster, run

PROGRAM = TARGETS / "jump_table"

MAIN = """#include <stdio.h>
#include "twice.h"
static volatile int rounds = 5;
static int never(int x) {
  return x * 7;
}
int main(int argc, char **argv) {
  int sum = 0;
  for (int i = 0; i < rounds; i++)
    sum += twice(i);
  if (sum > 1000)
    sum = never(sum);
  printf("%d\\n", sum);
  return argc < 0 ? argv[0][0] : 0;
}
"""
HEADER = """static inline int twice(int x) {
  if (x > 100)
    return 1;
  return x * 2;
}
"""


def expect(condition, what):
    if not condition:
        raise Failure(what)


def compiled(work, *flags, compiler="gcc", name="prog"):
    (work / "inc").mkdir(exist_ok=True)
    (work / "inc" / "twice.h").write_text(HEADER)
    (work / "main.c").write_text(MAIN)
    subprocess.run([compiler, *flags, "-Iinc", "main.c", "-o", name], cwd=work, check=True)
    return work / name


def addresses(program, expression, *extra):
    done = punster("sites", "-M", expression, "--allow-no-sites", "--format", "json", *extra, program)
    expect(done.status == 0, done)
    return {int(row["address"], 16) for row in json.loads(done.stdout or "[]")}


def lines_by_addr2line(program, known):
    known = sorted(known)
    text = subprocess.run(["addr2line", "-e", program, *map(hex, known)], check=True, capture_output=True, text=True).stdout
    found = {}
    for address, place in zip(known, text.splitlines()):
        path, _, line = place.split(" ")[0].rpartition(":")
        if line.isdigit() and int(line):
            found.setdefault((path, int(line)), set()).add(address)
    return found


@covers("match:line", "match:file", "match:absname", "match:basename", "match:dirname")
def expressions_know_the_source(work):
    for compiler, flags in (("gcc", ["-gdwarf-2", "-O1"]), ("gcc", ["-gdwarf-3", "-O2"]), ("gcc", ["-gdwarf-4", "-O0"]),
                            ("gcc", ["-gdwarf-5", "-O1"]), ("clang", ["-g", "-O1"]), ("gcc", ["-g", "-O1", "-gz"])):
        program = compiled(work, *flags, compiler=compiler)
        reference = lines_by_addr2line(program, addresses(program, "true"))
        expect(len(reference) >= 6, f"{compiler} {flags}: addr2line knows {reference}")
        for (path, line), wanted in reference.items():
            got = addresses(program, f'line == {line} and absname == "{path}"')
            expect(got == wanted, f"{compiler} {flags} {path}:{line}: {sorted(map(hex, got ^ wanted))}")
        in_header = set().union(*(a for (path, _), a in reference.items() if path.endswith("twice.h")))
        for expression in ('basename == "twice.h"', f'dirname == "{work}/inc"', "file == /(.*.)?inc.twice.h/"):
            expect(addresses(program, expression) == in_header, f"{compiler} {flags}: {expression}")
        entries = addresses(program, 'line.entry and basename == "main.c"')
        for (path, line), wanted in reference.items():
            if path.endswith("main.c"):
                expect(wanted & entries, f"{compiler} {flags}: {path}:{line} has no first instruction")
        expect(entries < set().union(*reference.values()), "every instruction is the first of its line")


@covers("option:--debug-file", "exit:2")
def lines_come_from_a_debug_file_too_or_are_missed(work):
    program = compiled(work, "-g", "-O1")
    known = addresses(program, "line == 10")
    subprocess.run(["objcopy", "--only-keep-debug", program, work / "prog.debug"], check=True)
    subprocess.run(["strip", program], check=True)
    expect(known and addresses(program, "line == 10", "--debug-file", work / "prog.debug") == known, "another line 10")
    for expression, what in (("line == 10", "has no source lines (compile with -g, or name"), ("line.start", "has no source")):
        refused = punster("patch", "-M", expression, "-P", "empty", program, "-o", work / "out")
        expect(refused.status == 2 and what in refused.stderr and not (work / "out").exists(), refused)
    field = punster("sites", "-M", "line.start", "--debug-file", work / "prog.debug", program)
    expect(field.status == 2 and "unknown field `start` of line" in field.stderr, field)


@covers("exit:2")
def damaged_lines_are_an_error(work):
    """Every sixteenth byte of the tables overwritten: found out, or read as something; never a crash."""
    program = compiled(work, "-g", "-O1")
    original = program.read_bytes()
    told = 0
    for section in (".debug_line", ".debug_info", ".debug_abbrev", ".debug_line_str"):
        row = re.search(rf"{re.escape(section)}\s+PROGBITS\s+\S+ (\S+) (\S+)",
                        subprocess.run(["readelf", "-SW", program], capture_output=True, text=True).stdout)
        offset, size = int(row[1], 16), int(row[2], 16)
        for at in range(offset, offset + min(size, 256), 16):
            program.write_bytes(original[:at] + b"\xff" * 4 + original[at + 4:])
            done = punster("sites", "-M", "line == 10", "--allow-no-sites", program)
            expect(done.status in (0, 2), f"{section} {at:#x}: {done}")
            told += "source lines are damaged" in done.stderr
    expect(told >= 3, f"only {told} damaged tables were noticed")


def executed(program, work):
    """By single-stepping: no code of ours."""
    run([BUILD / "bin" / "count_reference", program], cwd=work, env={"COUNT_REFERENCE_OUTPUT": str(work / "steps.csv")})
    rows = [line.split(",") for line in (work / "steps.csv").read_text().splitlines()]
    address, count = rows[0].index("address"), rows[0].index("count")
    return {int(r[address], 16) for r in rows[1:] if int(r[count])}


def drcov_blocks(text):
    head, _, table = text.partition(b" bbs\n")
    words = head.decode().splitlines()
    expect(words[0] == "DRCOV VERSION: 2" and words[2] == "Module Table: version 2, count 1", words)
    module = dict(zip(re.findall(r"\w+", words[3].partition(":")[2]), re.split(r",\s*", words[4].strip())))
    count = int(words[-1].split(": ")[1])
    expect(len(table) == 8 * count, f"{len(table)} bytes for {count} blocks")
    return module, [struct.unpack_from("<IHH", table, 8 * k) for k in range(count)]


@covers("subcommand:export", "export:drcov", "export:csv", "export:json", "match:BB", "action:count")
def covered_blocks_are_those_that_ran(work):
    for target in ("jump_table", "exceptions"):
        shutil.copy2(TARGETS / target, work / target)
        patch(work / target, work / "out", ["-M", "BB.entry", "-P", "count"], ["--counters", work / "counts"])
        run([work / "out"], cwd=work)
        ran = executed(work / target, work)
        words = ["export", str(work / "counts"), str(work / target), "--to", "drcov"]
        exported = subprocess.run([PUNSTER, *words], capture_output=True, check=True)  # it is no text
        calls.append((words, exported.returncode))
        module, blocks = drcov_blocks(exported.stdout)
        base = int(module["base"], 16)
        expect(module["path"] == str(work / target), module)
        for start, size, which in blocks:
            here = {a for a in ran if start + base <= a < start + base + size}
            expect(start + base in here and which == 0, f"{target}: {start:#x} did not run")
        inside = {a for start, size, _ in blocks for a in range(start + base, start + base + size)}
        known = addresses(work / target, "defined(BB)")
        missed = {a for a in ran & known if a not in inside}
        expect(not missed and len(blocks) > 30, f"{target}: ran, not covered: {sorted(map(hex, missed))[:9]}")
        rows = json.loads(punster("export", work / "counts", work / target, "--to", "json").stdout)
        expect(sum(row["count"] != 0 for row in rows) == len(blocks) < len(rows), f"{target}: {len(rows)} rows")
        table = punster("export", work / "counts", work / target, "--to", "csv").stdout.splitlines()
        expect(table[0] == "address,count,block,block_bytes,symbol,file,line" and len(table) == len(rows) + 1, table[0])


@covers("export:lcov", "subcommand:top", "option:--names")
def covered_lines_are_those_that_gcov_counts(work):
    program = compiled(work, "-g", "-O0")
    patch(program, work / "out", ["-M", "BB.entry", "-P", "count"], ["--counters", work / "counts"])
    expect(run([work / "out"], cwd=work).stdout == "20\n", "another sum")
    lcov = punster("export", work / "counts", program, "--to", "lcov").stdout
    ours = {}
    for record in lcov.split("end_of_record\n")[:-1]:
        path = re.search(r"^SF:(.*)$", record, re.M)[1]
        ours[path.rpartition("/")[2]] = {int(a): int(b) > 0 for a, b in re.findall(r"^DA:(\d+),(\d+)$", record, re.M)}
        lines = ours[path.rpartition("/")[2]]
        expect(f"LF:{len(lines)}\nLH:{sum(lines.values())}\n" in record, record)
    compiled(work, "-O0", "--coverage", name="counted")
    run([work / "counted"], cwd=work)
    subprocess.run(["gcov", "--json-format", "--stdout", next(work.glob("*.gcda")).name], cwd=work, check=True,
                   stdout=(work / "gcov.json").open("w"))
    for file in json.loads((work / "gcov.json").read_text())["files"]:
        theirs = {row["line_number"]: row["count"] > 0 for row in file["lines"]}
        name = file["file"].rpartition("/")[2]
        # gcov has no row for a closing brace without code of its own; ours has its epilogue.
        common = {line: ran for line, ran in ours.get(name, {}).items() if line in theirs}
        expect(common == theirs, f"{name}: {common} here, {theirs} in gcov")
    top = punster("top", "--once", work / "counts", "--names", program)
    expect(f"{work}/main.c:9" in top.stdout and "source" in top.stdout, top)


@covers("subcommand:export", "exit:1", "exit:2")
def what_cannot_be_exported_is_said(work):
    program = compiled(work, "-O1")
    patch(program, work / "out", ["-M", "BB.entry", "-P", "count"], ["--counters", work / "counts"])
    for words, status, what in ((["counts", "/usr/bin/true", "--to", "csv"], 1, "has no instruction (is it the original"),
                                (["prog", "prog", "--to", "csv"], 1, "prog"),
                                (["counts", "prog", "--to", "lcov"], 1, "has no source lines"),
                                (["counts", "prog", "--to", "pdf"], 2, "--to"),
                                (["counts", "prog"], 2, "--to")):
        words = [str(work / w) if w in ("counts", "prog") else w for w in words]
        refused = punster("export", *words)
        expect(refused.status == status and what in refused.stderr and not refused.stdout, refused)
        expect(refused.stderr.count("\n") == 1, refused)
