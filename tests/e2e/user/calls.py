"""Calls: retargeted where they are long enough, emulated where they are not or when C1 is turned off."""

from contract import covers
from rewriting import TARGETS, Failure, patch, punster, run, verify

PROGRAM = TARGETS / "call_forms"
CALLS = ["-M", "call", "-P"]


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def same_run(work, name):
    before, after = run([PROGRAM], cwd=work), run([work / name], cwd=work)
    expect(before.status == 0 and "rip threw three" in before.stdout, before)
    expect((before.status, before.stdout) == (after.status, after.stdout), f"{name}: {after}")


def is_register_call(site):
    """FF /2 with a register, behind any REX."""
    code = bytes.fromhex(site["bytes"])
    at = code.find(b"\xff")
    return at in (0, 1) and code[at + 1] >> 6 == 3


@covers("statistic:by_tactic", "action:empty", "action:count", "action:count(atomic)", "action:print", "action:exit")
def long_calls_are_retargeted(work):
    for action in ("empty", "count", "count(atomic)", "print"):
        rewritten = patch(PROGRAM, work / action, [*CALLS, action])
        for site in rewritten.sites:
            long_enough = 5 <= site["size"] <= 8 and not is_register_call(site)
            expect((site["tactic"] == "C1") == long_enough, site)
        verify(PROGRAM, rewritten)
        same_run(work, action)
    before, ended = run([PROGRAM], cwd=work), patch(PROGRAM, work / "exit", [*CALLS, "exit(7)"])
    expect(before.status == 0 and run([ended.output], cwd=work).status == 7, "exit(7)")


@covers("option:--tactics")
def calls_are_emulated_without_c1(work):
    without = patch(PROGRAM, work / "out", [*CALLS, "empty"], ["--tactics", "B1,B2,T1,T2,T3,B0"])
    expect("C1" not in without.stats["by_tactic"] and without.stats["failed"] == 0, without.stats)
    verify(PROGRAM, without)
    same_run(work, "out")


@covers("action:count")
def calls_count_once(work):
    rewritten = patch(PROGRAM, work / "out", [*CALLS, "count"], ["--counters", work / "counters"])
    run([rewritten.output], cwd=work)
    rows = punster("top", "--once", "--format", "csv", work / "counters").stdout.splitlines()[1:]
    counts = {line.split(",")[2]: int(line.split(",")[0]) for line in rows}
    direct = [s for s in rewritten.sites if "direct" in (s["symbol"] or "")]
    expect(len(direct) == 1 and counts[direct[0]["address"]] == 5, (direct, counts))
