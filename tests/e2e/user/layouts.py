"""--layout: who maps trampolines, what that costs, and what it cannot do."""

import json

from contract import covers
from elf_file import PT_LOAD, ElfFile
from rewriting import TARGETS, Failure, patch, punster, run, verify

HELLO = TARGETS / "hello"
JUMPS, ALL = ["-M", "jmp", "-P", "empty"], ["-M", "true", "-P", "empty"]


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def runs_like(original, output, work):
    before, after = run([original], cwd=work), run([output], cwd=work, env={"PUNSTER_STRICT": "1"})
    expect((before.status, before.stdout, before.stderr) == (after.status, after.stdout, after.stderr), after)


def arenas(path):
    return sum(1 for s in ElfFile(path.read_bytes()).segments() if s.type == PT_LOAD and s.flags == 5)


@covers("option:--layout", "option:--share-pages", "statistic:layout", "statistic:layout_reason", "subcommand:verify", "exit:0")
def both_layouts_do_the_same(work):
    by_loader = patch(HELLO, work / "loader", JUMPS, ["--layout", "loader"])
    expect(by_loader.stats["layout"] == "loader" and by_loader.stats["layout_reason"] == "asked for", by_loader.stats)
    own = patch(HELLO, work / "own", JUMPS, ["--layout", "headers", "--no-traps"])
    shared = patch(HELLO, work / "shared", JUMPS, ["--layout", "headers", "--share-pages", "--no-traps"])
    for rewritten in (by_loader, own, shared):
        verify(HELLO, rewritten)
        runs_like(HELLO, rewritten.output, work)
    for rewritten in (own, shared):
        expect(rewritten.stats["layout"] == "headers", rewritten.stats)
        expect(arenas(rewritten.output) > arenas(HELLO), "no segments for trampolines")
    again = patch(HELLO, work / "again", JUMPS, ["--layout", "headers", "--share-pages", "--no-traps"])
    expect(again.output.read_bytes() == shared.output.read_bytes(), "two runs, two files")


@covers("option:--layout", "option:--share-pages", "option:--tactics", "subcommand:verify")
def traps_bring_the_runtime_into_a_header_mapped_file(work):
    rewritten = patch(HELLO, work / "out", ALL, ["--layout", "headers", "--share-pages", "--tactics", "B1,B0"])
    expect(rewritten.stats["trapped"] > 0 and rewritten.stats["layout"] == "headers", rewritten.stats)
    verify(HELLO, rewritten)
    runs_like(HELLO, rewritten.output, work)
    # A page with a trap is original in the file; without its overlay no trap is answered.
    trapped = next(int(s["address"], 16) for s in rewritten.sites if s["result"] == "trapped")
    data, before = rewritten.output.read_bytes(), HELLO.read_bytes()
    expect(data[trapped:trapped + 2] == before[trapped:trapped + 2], hex(trapped))


EARLY = r'''
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) int work(int n) { int s = 0; for (int i = 0; i < n; ++i) s += i ^ n; return s; }
__attribute__((constructor)) static void early(void) { volatile int r = work(40); (void)r; }
static int (*resolve(void))(int) { volatile int r = work(2); (void)r; return work; }
int chosen(int) __attribute__((ifunc("resolve")));
int result(void) { return work(20) + chosen(3); }
'''
HOST = r'''
#include <stdio.h>
int result(void);
int main(void) { printf("%d\n", result()); return 0; }
'''


@covers("option:--layout", "option:--share-pages", "option:--counters", "action:count", "subcommand:top", "subcommand:verify")
def what_is_counted_before_the_counters_file_is_mapped_is_not_lost(work):
    (work / "early.c").write_text(EARLY)
    (work / "host.c").write_text(HOST)
    library, host = work / "libearly.so", work / "host"
    for command in (["cc", "-O1", "-w", "-shared", "-fPIC", "-Wl,-z,now", work / "early.c", "-o", library],
                    ["cc", "-O1", work / "host.c", "-o", host, f"-L{work}", "-learly"]):
        built = run(command)
        expect(built.status == 0, built)
    rows = {}
    for mode in ("headers", "loader"):
        directory = work / mode
        directory.mkdir()
        rewritten = patch(library, directory / "libearly.so", ["-M", 'jcc and symbol == "work"', "-P", "count"],
                          ["--layout", mode, "--share-pages", "--counters", directory / "counts"])
        expect(rewritten.stats["layout"] == mode, rewritten.stats)
        verify(library, rewritten)
        for _ in range(2):
            done = run([host], cwd=work, env={"LD_LIBRARY_PATH": str(directory), "PUNSTER_STRICT": "1"})
            expect(done.status == 0 and not done.stderr and done.stdout, done)
        table = json.loads(punster("top", directory / "counts", "--once", "--format", "json").stdout)
        rows[mode] = {row["address"]: row["count"] for row in table}
    more = {a: rows["headers"][a] - rows["loader"].get(a, 0) for a in rows["headers"]}
    # The resolver's work(2) runs before any initialiser: two starts count its jumps, the loader's do not.
    expect(any(n > 0 for n in more.values()) and all(n >= 0 and n % 2 == 0 for n in more.values()), (rows, more))


@covers("option:--layout", "option:--max-headers", "statistic:error", "status:refused", "exit:1")
def what_program_headers_cannot_do_is_refused_with_a_way_out(work):
    counting = ["-M", "jmp", "-P", "count"]
    for program, extra, reason in ((HELLO, ["--max-headers", "18", "--share-pages", "--no-traps"], "--max-headers"),):
        done = punster("patch", *counting, "--layout", "headers", *extra, program, "-o", work / "out", "--stats", work / "stats")
        stats = json.loads((work / "stats").read_text())
        expect(done.status == 1 and len(done.stderr.splitlines()) == 1, done)
        expect(reason in done.stderr and "--layout=auto" in done.stderr, done)
        expect(stats["status"] == "refused" and stats["error"]["kind"] == "layout", stats["error"])
        expect(not (work / "out").exists(), "an output")
        rewritten = patch(program, work / "auto", counting, ["--layout", "auto", *extra])
        expect(rewritten.stats["layout"] == "loader" and reason in rewritten.stats["layout_reason"], rewritten.stats)
        verify(program, rewritten)
        runs_like(program, rewritten.output, work)


@covers("option:--max-headers", "option:--layout", "subcommand:verify")
def more_program_headers_are_allowed_when_asked_for(work):
    rewritten = patch(TARGETS / "containers", work / "many", JUMPS, ["--layout", "headers", "--share-pages", "--no-traps", "--max-headers", "500"])
    expect(ElfFile(rewritten.output.read_bytes()).phnum <= 500, rewritten.stats)
    verify(TARGETS / "containers", rewritten)


@covers("option:--layout", "exit:2")
def a_layout_that_is_none_is_wrong_usage(work):
    for options in (["--layout", "sideways"], ["--max-headers", "0"], ["--max-headers", "many"]):
        done = punster("patch", *JUMPS, *options, HELLO, "-o", work / "out")
        expect(done.status == 2 and not (work / "out").exists(), done)
