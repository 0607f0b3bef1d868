"""Trampolines that lead straight to each other, and trampolines that jump back."""

from contract import covers
from rewriting import TARGETS, Failure, patch, punster, run, verify

PROGRAM = TARGETS / "recursion"


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def trampoline_room(rewritten):
    starts = [int(site["trampoline"], 16) for site in rewritten.sites]
    return max(starts) - min(starts)


@covers("option:--no-chaining")
def chained_and_unchained_trampolines_do_the_same(work):
    original = run([PROGRAM], cwd=work)
    room = {}
    for name, extra in (("chained", []), ("unchained", ["--no-chaining"])):
        rewritten = patch(PROGRAM, work / name, ["-M", "true", "-P", "empty"], extra)
        expect(rewritten.stats["failed"] == 0, rewritten.stats)
        verify(PROGRAM, rewritten)
        done = run([work / name], cwd=work)
        expect((done.status, done.stdout) == (original.status, original.stdout), f"{name}: {done}")
        room[name] = trampoline_room(rewritten)
    expect(room["chained"] < 0.8 * room["unchained"], room)
