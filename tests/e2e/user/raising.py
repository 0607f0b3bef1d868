"""--raise: shared objects with room below themselves. Addresses that a user sees are never raised ones."""

import json

from contract import covers
from elf_file import PT_LOAD, ElfFile
from rewriting import TARGETS, Failure, patch, punster, run, verify

PLUGIN, HOST = TARGETS / "plugin_tls", TARGETS / "plugin_host"
ALL = ["-M", "true", "-P", "empty"]


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def lowest(path):
    return min(s.vaddr for s in ElfFile(path.read_bytes()).segments() if s.type == PT_LOAD)


@covers("option:--raise", "statistic:raised_by", "subcommand:verify", "subcommand:show", "subcommand:explain")
def a_raised_plugin_does_the_same_and_keeps_its_addresses(work):
    original = run([HOST, PLUGIN], cwd=work)
    for mode in ("always", "never", "auto"):
        rewritten = patch(PLUGIN, work / f"{mode}.so", ALL, ["--raise", mode, "--no-traps"])
        by = int(rewritten.stats["raised_by"], 16)
        expect(rewritten.stats["not_raised"] is None, rewritten.stats)
        expect((by > 0) == (lowest(rewritten.output) == 0 and mode != "never") or mode == "auto", (mode, hex(by)))
        verify(PLUGIN, rewritten)
        done = run([HOST, rewritten.output], cwd=work, env={"PUNSTER_STRICT": "1"})
        expect((done.status, done.stdout, done.stderr) == (original.status, original.stdout, original.stderr), (mode, done))
        site = next(s for s in rewritten.sites if s["symbol"] and s["result"] == "patched" and s["trampoline"])
        shown = json.loads(punster("show", rewritten.output, "--at", site["address"], "--format", "json").stdout)[0]
        parts = {line["part"]: line for line in reversed(shown["lines"])}
        expect(parts["original"]["bytes"] == site["bytes"], (mode, shown))
        expect(parts["trampoline"]["address"] == site["trampoline"], (mode, shown, site))
        told = json.loads(punster("explain", *ALL, "--raise", mode, "--no-traps", PLUGIN, "--at", site["address"], "--format", "json").stdout)[0]
        expect(told["trampoline"] == site["trampoline"], (mode, told, site))
        if mode == "always":
            expect(by >= 2**31, hex(by))
    again = patch(PLUGIN, work / "again.so", ALL, ["--raise", "always", "--no-traps"])
    expect(again.output.read_bytes() == (work / "always.so").read_bytes(), "two runs, two files")


@covers("option:--raise", "option:--tactics", "action:count", "subcommand:top")
def traps_and_counters_of_a_raised_object(work):
    plugin = TARGETS / "plugin_throws"
    original = run([HOST, plugin], cwd=work)
    trapped = patch(plugin, work / "trapped.so", ALL, ["--raise", "always", "--tactics", "B1,B0"])
    expect(trapped.stats["trapped"] > 0 and int(trapped.stats["raised_by"], 16) > 0, trapped.stats)
    verify(plugin, trapped)
    counted = patch(plugin, work / "counted.so", ["-M", "ret", "-P", "count"],
                    ["--raise", "always", "--no-traps", "--counters", work / "counters"])
    verify(plugin, counted)
    for rewritten in (trapped, counted):
        done = run([HOST, rewritten.output], cwd=work, env={"PUNSTER_STRICT": "1"})
        expect((done.status, done.stdout, done.stderr) == (original.status, original.stdout, original.stderr), done)
    rows = json.loads(punster("top", work / "counters", "--once", "--format", "json").stdout)
    expect(rows[0]["count"] > 0 and {r["address"] for r in rows} <= {s["address"] for s in counted.sites}, rows)


@covers("option:--raise", "option:--allow-no-sites", "exit:0")
def raising_alone_changes_nothing_but_addresses(work):
    before, output = run([HOST, PLUGIN], cwd=work), work / "raised.so"
    done = punster("patch", "-M", "addr == 0x1", "-P", "empty", "--allow-no-sites", "--raise", "always", PLUGIN, "-o", output)
    expect(done.status == 0 and lowest(output) == 0, done)
    after = run([HOST, output], cwd=work, env={"PUNSTER_STRICT": "1"})
    expect((before.status, before.stdout) == (after.status, after.stdout), after)
    judged = json.loads(punster("verify", PLUGIN, output, "--format", "json").stdout)
    expect(list(judged["failures_by_kind"]) == ["no_sites"], judged)


@covers("option:--raise", "statistic:not_raised", "statistic:error", "status:refused", "exit:1")
def what_cannot_be_raised_says_why(work):
    with_debug_information = work / "debug.so"
    source = work / "debug.c"
    source.write_text("int answer(void) { return 42; }\n")
    run(["cc", "-g", "-shared", "-fPIC", source, "-o", with_debug_information])
    rewritten = patch(with_debug_information, work / "auto.so", ALL)
    expect(int(rewritten.stats["raised_by"], 16) == 0 and ".debug_" in rewritten.stats["not_raised"], rewritten.stats)
    verify(with_debug_information, rewritten)
    for original, reason in ((with_debug_information, ".debug_"), (TARGETS / "hello", "is a program"),
                             (TARGETS / "fixed_address", "fixed address"), (TARGETS / "static_pie", "relocates itself")):
        done = punster("patch", *ALL, "--raise", "always", original, "-o", work / "out", "--stats", work / "stats")
        stats = json.loads((work / "stats").read_text())
        expect(done.status == 1 and len(done.stderr.splitlines()) == 1 and reason in done.stderr, done)
        expect(stats["status"] == "refused" and stats["error"]["kind"] == "cannot_raise", stats)
        expect(not (work / "out").exists(), "an output")


@covers("subcommand:verify", "option:--raise", "exit:1")
def verify_finds_every_address_that_is_not_raised(work):
    """Each word that raising changed, put back to what it was: the file lies, and verify must see it."""
    output = work / "raised.so"
    punster("patch", "-M", "addr == 0x1", "-P", "empty", "--allow-no-sites", "--raise", "always", PLUGIN, "-o", output)
    before, after = PLUGIN.read_bytes(), output.read_bytes()
    elf = ElfFile(before)
    tables = [(0, 64), (elf.phoff, elf.phoff + 56 * elf.phnum)]  # new ones are elsewhere; these nobody reads
    words = [at for at in range(0, len(before) - 7, 8) if before[at:at + 8] != after[at:at + 8]
             and not any(lo <= at < hi for lo, hi in tables)]
    expect(len(words) > 30, words)
    missed = []
    for at in words:
        (work / "broken.so").write_bytes(after[:at] + before[at:at + 8] + after[at + 8:])
        judged = punster("verify", PLUGIN, work / "broken.so", "--format", "json")
        kinds = set(json.loads(judged.stdout)["failures_by_kind"]) if judged.stdout else {"unreadable"}
        if judged.status != 1 or kinds == {"no_sites"}:
            missed.append(hex(at))
    expect(not missed, f"{len(missed)} of {len(words)} not seen: {missed[:9]}")
