"""punster analyze, and what users know better than the analysis."""

import csv
import io
import json
import subprocess
import xml.etree.ElementTree as ElementTree

from contract import covers
from disassembly import instructions, symbol_address
from rewriting import TARGETS, Failure, compare_runs, patch, punster

COMPUTED = TARGETS / "stack_operands"  # code that only a computed jump reaches
HELLO = TARGETS / "hello"


def done(*arguments, status=0):
    result = punster(*arguments)
    if result.status != status:
        raise Failure(f"punster {arguments}: status {result.status}, not {status}\n{result.stdout}{result.stderr}")
    return result


def analysis(program, *extra):
    return json.loads(done("analyze", program, "--format", "json", *extra).stdout)


def sites(program, *extra, match="true"):
    rows = json.loads(done("sites", "-M", match, "--format", "json", program, *extra).stdout)
    return {int(row["address"], 16) for row in rows}


def starts_of(program):
    return sorted(i.address for i in instructions(program) if i.section == ".text" and "(bad)" not in i.text)


@covers("subcommand:analyze", "format:json", "format:csv", "format:text", "option:--format")
def every_byte_has_one_class(work):
    report = analysis(COMPUTED)
    ranges = [(int(r["address"], 16), r["size"], r["class"]) for r in report["ranges"]]
    if any(a + size > b for (a, size, _), (b, _, _) in zip(ranges, ranges[1:])):
        raise Failure("ranges overlap or do not ascend")
    for kind in ("code", "data", "padding", "doubt"):
        if sum(size for _, size, c in ranges if c == kind) != report[f"{kind}_bytes"]:
            raise Failure(f"{kind}_bytes is not the sum of its ranges")
    doubtful = [r for r in report["ranges"] if r["class"] == "doubt"]
    if not doubtful or not all(r["reason"] and 0 <= r["confidence"] <= 1 for r in doubtful):
        raise Failure(f"doubt without a reason, or none at all: {doubtful}")
    rows = list(csv.DictReader(io.StringIO(done("analyze", COMPUTED, "--format", "csv").stdout)))
    if [(int(r["address"], 16), int(r["size"]), r["class"]) for r in rows] != ranges:
        raise Failure("CSV and JSON disagree")
    text = done("analyze", COMPUTED, "--format", "text").stdout
    for words in ("code", "doubtful regions", doubtful[0]["address"], doubtful[0]["reason"]):
        if words not in text:
            raise Failure(f"the text says nothing of {words!r}:\n{text}")


@covers("option:--instructions", "option:--addresses", "match:csv")
def instructions_are_written_and_read(work):
    listed = work / "starts.csv"
    report = analysis(COMPUTED, "--instructions", listed)
    starts = [int(row["address"], 16) for row in csv.DictReader(listed.open())]
    if len(starts) != report["instructions"] or set(starts) != sites(COMPUTED):
        raise Failure("--instructions is not what -M true matches")
    if sites(COMPUTED, match=f'addr in "{listed}"') != set(starts):
        raise Failure("the list does not match itself")
    if sites(COMPUTED, "--addresses", listed) != set(starts):
        raise Failure("what was found changes when it is told")


@covers("option:--addresses", "option:--code")
def another_disassembler_is_believed(work):
    before = sites(COMPUTED)
    unknown = [a for a in starts_of(COMPUTED) if a not in before]
    if len(unknown) < 10:
        raise Failure(f"the target has nothing to be told: {unknown}")
    listed = work / "objdump.json"
    listed.write_text(json.dumps([hex(a) for a in starts_of(COMPUTED)]))
    if not sites(COMPUTED, "--addresses", listed) >= before | set(unknown):
        raise Failure("listed instructions are not found")
    last = next(i for i in instructions(COMPUTED) if i.address == unknown[-1])
    if not sites(COMPUTED, "--code", f"{unknown[0]:#x}-{last.address + last.size:#x}") >= set(unknown[:3]):
        raise Failure("a range of code is not believed")
    rewritten = patch(COMPUTED, work / "after", ["-M", "true", "-P", "empty"], ["--addresses", listed])
    if rewritten.stats["sites"] < len(before | set(unknown)):
        raise Failure(f"only {rewritten.stats['sites']} sites")
    done("verify", COMPUTED, work / "after", "--sites", rewritten.sites_file, "--addresses", listed)


@covers("option:--data")
def a_range_of_data_is_never_code(work):
    start = symbol_address(HELLO, "main")
    end = max(i.address + i.size for i in instructions(HELLO) if i.function == "main")
    inside = {a for a in sites(HELLO) if start <= a < end}
    told = sites(HELLO, "--data", f"{start:#x}-{end:#x}")
    if not inside or any(start <= a < end for a in told):
        raise Failure(f"{len(inside)} instructions of main before, now {[hex(a) for a in told if start <= a < end]}")
    if not told & (sites(HELLO) - inside):
        raise Failure("nothing is left of the rest")


@covers("option:--debug-file")
def symbols_come_from_a_debug_file(work):
    stripped, debug, other = work / "stripped", work / "hello.debug", work / "other.debug"
    for command in (["objcopy", "--only-keep-debug", HELLO, debug], ["strip", "-o", stripped, HELLO],
                    ["objcopy", "--only-keep-debug", COMPUTED, other]):
        subprocess.run(command, check=True)
    want = sites(HELLO, match='symbol == "main"')
    if not want or punster("sites", "-M", 'symbol == "main"', stripped).status != 1:
        raise Failure("main is not to be told by its symbol alone")
    if sites(stripped, "--debug-file", debug, match='symbol == "main"') != want:
        raise Failure("the debug file's symbols are not used")
    if "belongs to another build" not in done("analyze", stripped, "--debug-file", other, status=2).stderr:
        raise Failure("the debug file of another build is taken")
    done("analyze", stripped, "--debug-file", work / "none", status=1)


@covers("exit:2", "option:--addresses", "option:--code", "option:--data", "option:--doubt", "option:--draw")
def impossible_evidence_is_refused(work):
    listing = [i for i in instructions(HELLO) if i.function == "main"]
    long = next(i for i in listing if i.size > 3)

    def listed(*addresses):
        path = work / f"list-{addresses[-1]:x}.csv"
        path.write_text("".join(f"{a:#x}\n" for a in addresses))
        return ["--addresses", path]
    for extra, says in ((listed(0x7), "no executable section"),
                        (listed(long.address, long.address + 1), "is inside the one"),
                        (["--code", f"{long.address:#x}-{1 << 40:#x}"], "does not lie inside"),
                        ([*listed(long.address), "--data", f"{long.address:#x}-{long.address + 4:#x}"], "is said to be"),
                        (["--code", f"{long.address:#x}-{long.address + 4:#x}",
                          "--data", f"{long.address + 1:#x}-{long.address + 2:#x}"], "said to be code"),
                        (["--data", "0x10"], "is not a range"), (["--code", "0x20-0x10"], "is not a range"),
                        (["--addresses", work / "none"], "cannot read"), (["--doubt", "maybe"], "--doubt")):
        result = done("patch", "-M", "true", "-P", "empty", HELLO, "-o", work / "out", *extra, status=2)
        if says not in result.stderr or len(result.stderr.splitlines()) != 1 or (work / "out").exists():
            raise Failure(f"{extra}: {result.stderr}")
    done("analyze", HELLO, "--draw", work / "picture.png", status=2)


@covers("option:--doubt")
def doubt_is_patched_only_on_request(work):
    skipped, taken = sites(COMPUTED, "--doubt=skip"), sites(COMPUTED, "--doubt", "patch")
    if skipped != sites(COMPUTED) or not taken > skipped:
        raise Failure(f"{len(skipped)} sites by default, {len(taken)} with doubt")
    doubt = analysis(COMPUTED)
    for row in doubt["ranges"]:
        lo = int(row["address"], 16)
        if row["class"] == "doubt" and any(lo <= a < lo + row["size"] for a in skipped):
            raise Failure(f"a site in doubt at {row['address']}")
    for folder in ("before", "after"):
        (work / folder).mkdir()
    (work / "before" / "prog").symlink_to(COMPUTED)
    rewritten = patch(COMPUTED, work / "after" / "prog", ["-M", "true", "-P", "empty"], ["--doubt", "patch"])
    compare_runs(work / "before", work / "after", lambda d: [d / "prog"])
    done("verify", COMPUTED, rewritten.output, "--sites", rewritten.sites_file, "--doubt", "patch")


@covers("option:--doubt")
def doubt_is_trapped_on_request(work):
    """The doubtful sites are traps, whatever would fit there; without traps nothing is done to them."""
    skipped, taken = sites(COMPUTED), sites(COMPUTED, "--doubt", "trap")
    if taken != sites(COMPUTED, "--doubt", "patch") or not taken > skipped:
        raise Failure(f"{len(skipped)} sites by default, {len(taken)} with traps")
    for folder in ("before", "after"):
        (work / folder).mkdir()
    (work / "before" / "prog").symlink_to(COMPUTED)
    rewritten = patch(COMPUTED, work / "after" / "prog", ["-M", "true", "-P", "empty"], ["--doubt", "trap"])
    compare_runs(work / "before", work / "after", lambda d: [d / "prog"])
    done("verify", COMPUTED, rewritten.output, "--sites", rewritten.sites_file, "--doubt", "trap")
    doubtful = [row for row in rewritten.sites if int(row["address"], 16) not in skipped]
    if {row["result"] for row in doubtful} != {"trapped"} or {row["tactic"] for row in doubtful} != {"B0"}:
        raise Failure(f"no traps: {[row for row in doubtful if row['tactic'] != 'B0'][:3]}")
    untouched = patch(COMPUTED, work / "untouched", ["-M", "true", "-P", "empty"], ["--doubt", "trap", "--no-traps"])
    if any(row["result"] != "failed" for row in untouched.sites if int(row["address"], 16) not in skipped):
        raise Failure("a doubtful site was patched without a trap")


@covers("option:--draw")
def the_picture_shows_every_section(work):
    for name in ("picture.svg", "picture.html"):
        analysis(COMPUTED, "--draw", work / name)
        first = (work / name).read_text()
        analysis(COMPUTED, "--draw", work / name)
        if (work / name).read_text() != first or ".text" not in first or "#d62728" not in first:
            raise Failure(f"{name} differs from run to run, or shows no section or no doubt")
    ElementTree.parse(work / "picture.svg")


@covers("option:--exclude", "exit:2")
def an_excluded_range_is_left_alone(work):
    """e9tool's ways of writing a range; nothing in it is a site, nothing in it changes."""
    main, every = symbol_address(HELLO, "main"), sites(HELLO)
    end = max(i.address + i.size for i in instructions(HELLO) if i.function == "main")
    text = {i.address for i in instructions(HELLO) if i.section == ".text"}
    for excluded, gone in ((f"{main:#x}..{end:#x}", lambda a: main <= a < end),
                           (f"main .. main+{end - main}", lambda a: main <= a < end),
                           (f"{main:#x}", lambda a: a == main), (".text", lambda a: a in text),
                           ("main .. .text", lambda a: a in text and a >= main),
                           (f"{main:#x} .. .text.end", lambda a: a in text and a >= main)):
        left = sites(HELLO, "--exclude", excluded)
        if left != {a for a in every if not gone(a)} or left == every:
            raise Failure(f"{excluded}: {len(every)} sites, now {len(left)}")
    rewritten = patch(HELLO, work / "out", ["-M", "true", "-P", "empty"], ["-E", f"{main:#x}..{end:#x}"])
    done("verify", HELLO, work / "out", "--sites", rewritten.sites_file, "--exclude", f"{main:#x}..{end:#x}")
    report = analysis(HELLO, "--exclude", "main")
    if not any(r["evidence"] == "excluded" and r["reason"] == "excluded by request" for r in report["ranges"]):
        raise Failure("the report says nothing of what is excluded")
    for wrong, says in (("nosuch", "no symbol or section"), ("main..", "expected an address"),
                        (f"{end:#x}..{main:#x}", "before it begins"), ("main . main", "expected `..`"),
                        ("main+x", "expected a number")):
        if says not in done("sites", "-M", "true", HELLO, "--exclude", wrong, status=2).stderr:
            raise Failure(f"{wrong}: {punster('sites', '-M', 'true', HELLO, '--exclude', wrong).stderr}")
