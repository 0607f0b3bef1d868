"""What the programs print and write: statistics, site files, explanations."""

import csv
import hashlib
import io
import json
import re

from contract import ROWS, covers
from disassembly import instructions
from rewriting import ROOT, TARGETS, Failure, patch, punster, run, verify

HELLO = TARGETS / "hello"
JMP = ["-M", "jmp", "-P", "empty"]


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


@covers(*(f"statistic:{name}" for name in ROWS["statistic"].split()), "option:--stats", "status:ok")
def every_field_of_the_statistics(work):
    rewritten = patch(HELLO, work / "out", JMP)
    s = rewritten.stats
    missing = set(ROWS["statistic"].split()) - set(s)
    expect(not missing, f"missing: {missing}")
    data = HELLO.read_bytes()
    expect(s["schema"] == 1 and s["status"] == "ok" and s["error"] is None, s)
    expect(s["tool"]["name"] == "punster" and re.match(r"\d+\.\d+", s["tool"]["version"]), s["tool"])
    expect(s["argv"][1:6] == ["patch", *JMP] and str(HELLO) in s["argv"], s["argv"])
    expect(s["input"]["path"] == str(HELLO) and s["input"]["bytes"] == len(data), s["input"])
    expect(s["input"]["sha256"] == hashlib.sha256(data).hexdigest(), s["input"])
    note = run(["readelf", "-n", HELLO]).stdout
    expect(s["input"]["build_id"] in note and len(s["input"]["build_id"]) == 40, s["input"])
    expect(s["output"] == {"path": str(work / "out"), "bytes": (work / "out").stat().st_size}, s["output"])
    expect(s["kind"] == "pie" and s["layout"] in ("headers", "loader"), s["kind"])
    expect((int(str(s["raised_by"]), 16) == 0 or s["layout"] == "headers") and s["not_raised"] is None, s["raised_by"])
    known = len(instructions(HELLO))
    expect(0.8 * known < s["instructions"] <= known, (known, s["instructions"]))
    expect(s["text_bytes"] > s["code_bytes"] > 0.8 * s["text_bytes"], s)
    expect(all(s[f] >= 0 for f in ("data_bytes", "padding_bytes", "doubt_bytes")), s)
    expect(s["sites"] == len([i for i in instructions(HELLO) if i.mnemonic.startswith("j")]), s["sites"])
    expect(s["patched"] == s["sites"] and s["trapped"] == s["failed"] == 0, s)
    expect(set(s["by_tactic"]) <= {"C1", "B1", "B2", "T1", "T2", "T3", "B0"}, s["by_tactic"])
    expect(isinstance(s["by_means"], dict), s["by_means"])
    expect(set(s["unwind"]) == {"functions", "left_out", "stubs", "for_process", "symbols", "bytes", "note"}, s["unwind"])
    expect(0 < s["mappings"] < 1000 and s["virtual_pages"] >= s["physical_pages"] > 0, s)
    expect(set(s["seconds"]) == {"analyse", "transfer", "solve", "place", "share", "emit", "total"}, s["seconds"])
    expect(all(v >= 0 for v in s["seconds"].values()) and s["seconds"]["total"] < 60, s["seconds"])
    expect(2**20 < s["peak_rss_bytes"] < 2**31, s["peak_rss_bytes"])


@covers("statistic:kind", "statistic:layout")
def the_kind_of_every_file(work):
    for target, kind in (("hello", "pie"), ("fixed_address", "exec"), ("static_c", "static"),
                         ("static_pie", "static-pie"), ("plugin_init", "dso")):
        got = patch(TARGETS / target, work / target, JMP, with_sites=False).stats["kind"]
        expect(got == kind, f"{target}: {got}")


@covers("option:--sites", "subcommand:patch")
def the_site_file(work):
    rewritten = patch(HELLO, work / "out", ["-M", "true", "-P", "empty"])
    listing = {i.address: i for i in instructions(HELLO)}
    addresses = [int(row["address"], 16) for row in rewritten.sites]
    expect(addresses == sorted(set(addresses)), "not ascending")
    for row in rewritten.sites:
        expect(set(row) >= {"address", "offset", "size", "bytes", "section", "symbol", "result", "tactic", "means",
                            "trampoline", "evicted", "reason"}, row)
        i = listing[int(row["address"], 16)]
        expect(row["bytes"] == i.bytes.hex() and row["size"] == i.size and row["section"] == i.section, (row, i))
        expect(row["result"] in ("patched", "trapped", "failed"), row)
        expect((row["result"] == "failed") == (row["tactic"] is None), row)
        expect((row["result"] == "trapped") == (row["tactic"] == "B0"), row)
    expect(any((row["symbol"] or "").startswith("main+0x") for row in rewritten.sites), "no symbol in main")


@covers("format:text", "format:json", "format:csv", "option:--format", "subcommand:patch", "subcommand:sites")
def three_formats(work):
    out = {f: punster("patch", *JMP, HELLO, "-o", work / f, "--format", f).stdout for f in ("text", "json", "csv")}
    sites = json.loads(out["json"])["sites"]
    fields = {row[0]: row[1] for row in csv.reader(io.StringIO(out["csv"]))}
    expect(int(fields["sites"]) == sites and str(sites) in out["text"], out)
    rows = list(csv.DictReader(io.StringIO(punster("sites", "-M", "jmp", HELLO, "--format", "csv").stdout)))
    same = json.loads(punster("sites", "-M", "jmp", HELLO, "--format", "json").stdout)
    text = punster("sites", "-M", "jmp", HELLO, "--format", "text").stdout.splitlines()
    expect(len(rows) == len(same) == len(text) - 1 == sites, (len(rows), len(same), len(text)))
    expect([r["address"] for r in rows] == [s["address"] for s in same], "csv and json differ")


@covers("subcommand:explain", "option:--at")
def explain_from_a_plan_and_from_a_site_file(work):
    rewritten = patch(HELLO, work / "out", ["-M", "true", "-P", "empty"])
    site = next(s for s in rewritten.sites if s["tactic"] not in ("B1", None))
    done = punster("explain", "-M", "true", "-P", "empty", HELLO, "--at", site["address"], "--format", "json")
    record = json.loads(done.stdout)[0]
    expect(done.status == 0 and record["tactic"] == site["tactic"] and record["result"] == site["result"], record)
    expect(record["trampoline"] == site["trampoline"], (record, site))
    tried = {a["tactic"]: a["outcome"] for a in record["alternatives"]}
    expect("B1" in tried and tried["B1"] != "chosen" and "chosen" in tried.values(), tried)
    done = punster("explain", "--sites", rewritten.sites_file, "--at", site["address"])
    expect(done.status == 0 and site["tactic"] in done.stdout and site["address"] in done.stdout, done)
    expect(punster("explain", "--sites", rewritten.sites_file, "--at", "0x1").status == 1, "not a site")
    done = punster("explain", "-M", "jmp", HELLO, "--at", site["address"], "0x3")
    expect(done.status == 0 and "0x3" in done.stdout, done)


@covers("subcommand:show", "option:--at", "option:--syntax")
def show_disassembles_the_way_to_the_trampoline(work):
    rewritten = patch(HELLO, work / "out", JMP)
    site = next(s for s in rewritten.sites if s["symbol"] and s["symbol"].startswith("main"))
    done = punster("show", work / "out", "--at", site["address"], "--format", "json")
    shown = json.loads(done.stdout)[0]
    parts = {line["part"]: line for line in reversed(shown["lines"])}
    expect(shown["state"] == "patched" and parts["original"]["bytes"] == site["bytes"], shown)
    expect(parts["trampoline"]["address"] == site["trampoline"], (shown, site))
    text = punster("show", work / "out", "--at", site["address"]).stdout
    expect(site["trampoline"] in text and "jmp" in text, text)
    intel = punster("show", work / "out", "--at", site["address"], "--syntax", "intel").stdout
    expect("%" not in intel.replace(" %", ""), intel)
    expect(punster("show", HELLO, "--at", site["address"]).status == 1, "not rewritten")


@covers("subcommand:show", "option:--at")
def show_ends_where_the_next_trampoline_begins(work):
    rewritten = patch(HELLO, work / "out", ["-M", "true", "-P", "count"])
    sites = {s["address"]: s for s in rewritten.sites if s["result"] == "patched"}
    bodies = {s["trampoline"]: s for s in sites.values()}
    shown = json.loads(punster("show", work / "out", "--format", "json", "--at", *sites).stdout)
    chained = 0
    for one in shown:
        site = sites[one["address"]]
        lines = [line for line in one["lines"] if line["part"] == "trampoline"]
        expect(lines[0]["address"] == site["trampoline"], (one, site))
        foreign = [line["address"] for line in lines[1:] if line["address"] in bodies]
        expect(not foreign and not one["cut"], f"{one['address']} shows the trampolines at {foreign}")
        behind = hex(int(site["address"], 16) + site["size"])
        if one["runs_into"] is not None:
            end = int(lines[-1]["address"], 16) + len(lines[-1]["bytes"]) // 2
            expect(one["runs_into"] == behind and hex(end) == sites[behind]["trampoline"], (one, site))
            chained += 1
    text = punster("show", work / "out", "--at", *sites).stdout
    expect(text.count("then the trampoline of") == chained, text)


@covers("subcommand:verify", "exit:0", "exit:1")
def verify_tells_good_from_bad(work):
    rewritten = patch(HELLO, work / "out", JMP)
    verify(HELLO, rewritten)
    done = punster("verify", HELLO, HELLO)
    expect(done.status == 1 and "no patched site found" in done.stdout + done.stderr, done)
    done = punster("verify", TARGETS / "recursion", work / "out")
    expect(done.status == 1, f"another program's original: {done}")
    done = punster("verify", HELLO, work / "out", "--format", "json")
    expect(done.status == 0 and json.loads(done.stdout)["proven"] >= len(rewritten.sites), done)


@covers("subcommand:top", "option:--once", "format:json")
def top_sorts_and_names(work):
    patch(TARGETS / "recursion", work / "out", ["-M", "ret", "-P", "count"], ["--counters", work / "data"])
    run([work / "out"], cwd=work)
    rows = json.loads(punster("top", work / "data", "--once", "--format", "json", "--names",
                              TARGETS / "recursion").stdout)
    counts = [row["count"] for row in rows]
    expect(counts == sorted(counts, reverse=True) and counts[0] > 100 and rows[0]["symbol"], rows[:3])
    text = punster("top", work / "data", "--once", "--rows", "2").stdout
    expect(f"{counts[0]:,}" in text or str(counts[0]) in text, text)


@covers("exit:3", "option:--strict", "option:--no-traps", "option:--tactics", "status:partial")
def strict_and_no_traps(work):
    only = ["--tactics", "B1"]
    some = patch(TARGETS / "one_byte", work / "some", ["-M", "true", "-P", "empty"], [*only, "--no-traps"])
    expect(some.stats["failed"] > 0 and some.stats["trapped"] == 0 and some.stats["status"] == "partial", some.stats)
    expect(set(some.stats["by_tactic"]) <= {"B1"}, some.stats["by_tactic"])
    patch(TARGETS / "one_byte", work / "strict", ["-M", "true", "-P", "empty"], [*only, "--no-traps", "--strict"],
          expect=3)
    full = patch(TARGETS / "hello", work / "full", JMP, ["--strict", "--no-traps"])
    expect(full.stats["failed"] == 0, full.stats)
    traps = patch(TARGETS / "one_byte", work / "traps", ["-M", "true", "-P", "empty"], ["--tactics", "B1,B0"])
    expect(traps.stats["trapped"] > 0 and traps.stats["failed"] == 0, traps.stats)
    before, after = run([TARGETS / "one_byte"]), run([work / "traps"])
    expect((before.status, before.stdout) == (after.status, after.stdout), f"traps change the program: {after}")


@covers("option:--max-mappings", "option:--jobs", "exit:1", "status:refused")
def a_budget_is_met_or_refused(work):
    done = punster("patch", "-M", "true", "-P", "empty", "/usr/bin/bash", "-o", work / "out", "--max-mappings", "1",
                   "--stats", work / "stats", "--jobs", "2")
    stats = json.loads((work / "stats").read_text())
    expect(done.status == 1 and stats["status"] == "refused" and not (work / "out").exists(), (done, stats))
    expect(len(done.stderr.splitlines()) == 1 and "mapping" in done.stderr, done.stderr)


@covers("status:failed", "exit:1")
def a_failing_backend_is_reported(work):
    done = punster("patch", *JMP, HELLO, "-o", work / "out", "--stats", work / "stats", "--backend", "/bin/false")
    expect(done.status == 1 and len(done.stderr.splitlines()) == 1, done)
    expect(json.loads((work / "stats").read_text())["status"] == "failed", "status")


@covers("subcommand:patch")
def mode_of_the_file_is_kept(work):
    for mode in (0o755, 0o700, 0o640, 0o4755):
        (work / "in").unlink(missing_ok=True)
        (work / "in").write_bytes(HELLO.read_bytes())
        (work / "in").chmod(mode)
        patch(work / "in", work / f"out{mode:o}", JMP, with_sites=False)
        got = (work / f"out{mode:o}").stat().st_mode & 0o7777
        expect(got == mode, f"{got:o} instead of {mode:o}")


@covers("subcommand:patch")
def other_tools_still_read_the_output(work):
    patch(HELLO, work / "out", ["-M", "true", "-P", "empty"])
    for tool in (["readelf", "-aW"], ["objdump", "-d"], ["nm"], ["file"], ["gdb", "-nx", "-batch", "-ex", "info functions main"]):
        done = run([*tool, work / "out"], cwd=work)
        expect(done.status == 0 and "rror" not in done.stderr and "arning" not in done.stderr, f"{tool}: {done.stderr}")
