"""What stands at trapped sites, and what it costs."""

import json
import struct

from contract import covers
from rewriting import TARGETS, Failure, patch, punster, run, verify

TRAPS = {"ud2": ("0f0b", "06"), "int3": ("cc", "cc"), "int-03": ("cd03", "cc"), "hlt": ("f4", "f4")}


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


@covers("option:--trap-with", "statistic:trap_with", "action:empty")
def every_trap_does_the_same(work):
    for target in ("hello", "threads", "own_sigill", "static_c", "exceptions"):
        expected = run([TARGETS / target])
        for name, (long, alone) in TRAPS.items():
            output = work / f"{target}-{name}" / target
            output.parent.mkdir()
            flags = ["--tactics", "B0", "--trap-with", name, "--no-chaining"]
            rewritten = patch(TARGETS / target, output, ["-M", "ret or jmp", "-P", "empty"], flags)
            expect(rewritten.stats["trap_with"] == name and rewritten.stats["trapped"] > 10, rewritten.stats)
            traps = output.parent / "traps"
            traps.write_bytes(bytes(8))
            got = run([output], env={"PUNSTER_TRAPS": str(traps)})
            expect((got.status, got.stdout, got.stderr) == (expected.status, expected.stdout, expected.stderr),
                   f"{target} with {name}: {got}, expected {expected}")
            expect(struct.unpack("<Q", traps.read_bytes())[0] > 0, f"{target} with {name}: no trap was taken")
            verify(TARGETS / target, rewritten)
            site = next(s for s in rewritten.sites if s["result"] == "trapped" and s["size"] > 1)
            shown = punster("show", output, "--at", site["address"], "--format", "json").stdout
            expect(long in shown.replace(" ", ""), shown)


@covers("option:--trap-with", "subcommand:explain")
def explain_names_the_trap(work):
    done = punster("explain", "-M", "ret", "-P", "empty", TARGETS / "hello", "--tactics", "B0", "--trap-with", "int3",
                   "--at", "main")
    if done.status != 0:
        sites = json.loads(punster("sites", "-M", "ret", TARGETS / "hello", "--format", "json").stdout)
        done = punster("explain", "-M", "ret", TARGETS / "hello", "--tactics", "B0", "--trap-with", "int3", "--at",
                       sites[0]["address"])
    expect("chosen, with int3" in done.stdout, done.stdout + done.stderr)


@covers("option:--trap-with", "exit:2")
def a_trap_that_is_none_is_wrong_usage(work):
    done = punster("patch", "-M", "ret", "-P", "empty", TARGETS / "hello", "-o", work / "out", "--trap-with", "into")
    expect(done.status == 2 and "int-03" in done.stderr, done.stderr)


@covers("subcommand:calibrate", "option:--rounds", "format:json")
def calibrate_measures_every_trap(work):
    rows = json.loads(punster("calibrate", "--rounds", "20", "--format", "json").stdout)
    expect([row["trap"] for row in rows[:4]] == list(TRAPS) and all(row["ns"] > 0 for row in rows), rows)
    expect([row["signal"] for row in rows[:4]] == ["SIGILL", "SIGTRAP", "SIGTRAP", "SIGSEGV"], rows)
    text = punster("calibrate", "--rounds", "20").stdout
    expect("int-03" in text and "default" in text, text)
