"""Programs rewritten with calls of hooks: compiled by `punster cc`, called at the labels of tests/targets/hooked.S."""

import re

from disassembly import instructions, symbol_address
from rewriting import ROOT, TARGETS, Failure, patch, punster, run, verify

HOOKS = ROOT / "tests" / "hooks"
TARGET = TARGETS / "hooked"
# What the target prints: rax, rdx and r8 after `check`.
PRINTS = "7 13 39\n"


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def compiled(work, name, *options, flags=()):
    """The hook file of tests/hooks/NAME.c, .cpp or .S."""
    source = next(HOOKS.glob(f"{name}.*"))
    hook = work / name
    done = punster("cc", "-o", hook, *options, source, *(["--", *flags] if flags else []))
    expect(done.status == 0 and not done.stdout, f"punster cc {source}: {done}")
    return hook


def at(label):
    return ["-M", f"addr == &{label}"]


def hooked(work, requests, program=TARGET, name="out", command=None, checked=True, env=None, extra=()):
    """The run of the program rewritten so; `verify` proves it unless `checked` is false."""
    rewritten = patch(program, work / name, requests, extra)
    if checked:
        verify(program, rewritten)
    return run(command or [work / name], cwd=work, env=env)


def called(work, hook, label, call, prefix="", suffix="", program=TARGET, **options):
    """`-P 'PREFIX CALL@HOOK SUFFIX'` at one label."""
    action = " ".join(part for part in (prefix, f"{call}@{hook}", suffix) if part)
    return hooked(work, [*at(label), "-P", action], program, **options)


def lines(run):
    """What the hook printed, after a run that was otherwise as ever."""
    expect(run.status == 0, run)
    return run.stderr.splitlines()


def numbers(text):
    return [int(word, 0) for word in re.findall(r"-?0x[0-9a-f]+|-?\d+", text)]


def instruction(label, program=TARGET):
    address = symbol_address(program, label)
    return next(i for i in instructions(program) if i.address == address)
