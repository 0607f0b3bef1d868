"""punster bisect: which site makes a program misbehave?"""

import json
import math
import re

from contract import covers
from rewriting import Failure, punster, run

# Looks at bytes of its own code: `probe` may not be patched, and of `left` and `right` only one may.
SOURCE = """
#include <stdlib.h>
#include <string.h>
#define PROBE(name) extern unsigned char name[]; \\
  asm(".pushsection .text; movabs $1,%rax; movabs $1,%rax; " #name ": jz 1f; movabs $1,%rax; movabs $1,%rax; 1: ret; .popsection");
PROBE(probe) PROBE(left) PROBE(right)
static unsigned char *volatile places[] = {probe, left, right};
int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  const int probed = places[0][0] != 0x74, both = places[1][0] != 0x74 && places[2][0] != 0x74;
  if (!strcmp(what, "one")) return probed;
  if (!strcmp(what, "both")) { if (both) abort(); return 0; }
  if (!strcmp(what, "hang")) for (;;) if (!probed) return 0;
  return !strcmp(what, "never");
}
"""


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def program(work):
    (work / "p.c").write_text(SOURCE)
    done = run(["cc", "-O1", "-o", work / "p", work / "p.c"])
    expect(done.status == 0, done.stderr)
    symbols = run(["nm", work / "p"]).stdout
    return work / "p", {name: int(re.search(rf"^(\w+) . {name}$", symbols, re.M)[1], 16)
                        for name in ("probe", "left", "right")}


def bisect(program_file, what, *options):
    return punster("bisect", "-M", "jmp", "-P", "empty", *options, program_file, "--format", "json",
                   "--", "{}", what)


def named(done):
    return [int(site["address"], 16) for site in json.loads(done.stdout)]


@covers("subcommand:bisect")
def a_planted_site_is_named_in_few_runs(work):
    file, at = program(work)
    done = bisect(file, "one")
    expect(done.status == 0 and named(done) == [at["probe"]], done)
    runs = re.findall(r"^run \d+: [\d,]+ of ([\d,]+) sites patched: exit status [01]$", done.stderr, re.M)
    expect(runs and len(runs) <= math.log2(int(runs[0].replace(",", ""))) + 2, done.stderr)


@covers("subcommand:bisect")
def sites_that_do_harm_together_are_named_together(work):
    file, at = program(work)
    done = bisect(file, "both")
    expect(done.status == 0 and named(done) == sorted((at["left"], at["right"])), done)
    expect("killed by signal 6" in done.stderr, done.stderr)


@covers("option:--timeout")
def a_program_that_hangs_misbehaves(work):
    file, at = program(work)
    done = bisect(file, "hang", "--timeout", "1")
    expect(done.status == 0 and named(done) == [at["probe"]], done)
    expect("not finished in time" in done.stderr, done.stderr)


@covers("exit:1")
def without_a_culprit_nobody_is_named(work):
    file, _ = program(work)
    fine, never = bisect(file, ""), bisect(file, "never")
    expect(fine.status == 1 and "nothing to find" in fine.stderr and not fine.stdout, fine)
    expect(never.status == 1 and "without any patch" in never.stderr and not never.stdout, never)
    absent = punster("bisect", "-M", "jmp", "-P", "empty", file, "--", work / "absent", "{}")
    expect(absent.status == 1 and "cannot be run" in absent.stderr, absent)


@covers("option:--verbose")
def what_the_check_prints_is_shown_on_request(work):
    file, _ = program(work)
    words = ["bisect", "-M", "jmp", "-P", "count", file, "--format", "csv", "--", "sh", "-c", "echo heard; {} one"]
    quiet, verbose = punster(*words), punster(words[0], "--verbose", *words[1:])
    expect("heard" not in quiet.stderr + quiet.stdout, quiet)
    expect("heard" in verbose.stderr and "heard" not in verbose.stdout, verbose)
    expect(quiet.stdout == verbose.stdout and quiet.stdout.count("\n") == 2, quiet.stdout)


@covers("exit:2")
def no_check_is_wrong_usage(work):
    file, _ = program(work)
    done = punster("bisect", "-M", "jmp", "-P", "empty", file)
    expect(done.status == 2 and "CHECK" in done.stderr, done)
