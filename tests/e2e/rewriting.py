"""Rewrites a program with the punster under test and compares it with the original.

Every end-to-end test goes through here: `patch` runs the real command line, `check_statistics` holds
its report against DESIGN's equations, `run` executes a program in a controlled environment, and
`Comparison` says in what two runs differ. What a test called is recorded in `calls`, which
`contracts.py` reads.
"""

import atexit
import difflib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PUNSTER_BUILD", ROOT / "build")).resolve()
PUNSTER = BUILD / "bin" / "punster"
BACKEND = BUILD / "bin" / "punster-backend"
TARGETS = BUILD / "targets"
SKIP = 77  # the exit status that ctest reads as "skipped"

# Every call of the command line that this process made: (arguments, exit status).
calls: list[tuple[list[str], int]] = []
# Names of variables that programs were given by run(env=...).
variables: set[str] = set()


class Failure(Exception):
    """A test's claim does not hold; the text says which."""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def workspace(name):
    """A fresh directory, removed at exit unless the test failed (then its path is printed)."""
    path = Path(tempfile.mkdtemp(prefix=f"punster-{name}-"))
    atexit.register(lambda: shutil.rmtree(path, ignore_errors=True) if not keep.wanted else None)
    keep.path = path
    return path


class keep:
    wanted = False
    path = None


@dataclass
class Run:
    status: int  # negative: the signal that ended it
    stdout: str
    stderr: str


def run(command, cwd=None, env=None, timeout=600, input_text=None, limits=()):
    """Runs `command` with a fixed locale and none of the caller's PUNSTER_* variables, in a session of its
    own: some rewritten programs take their whole process group with them when they fail to start."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PUNSTER_")}
    environment.update(LC_ALL="C", LANG="C", TZ="UTC", HOME=str(cwd or "/"))
    environment.update(env or {})
    variables.update(env or {})

    def prepare():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for which, value in limits:
            resource.setrlimit(which, (value, value))

    try:
        done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, timeout=timeout,
                              input=input_text, text=True, errors="backslashreplace",
                              stdin=None if input_text is not None else subprocess.DEVNULL,
                              capture_output=True, preexec_fn=prepare, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise Failure(f"no end within {timeout} s: {' '.join(map(str, command))}") from None
    return Run(done.returncode, done.stdout, done.stderr)


def punster(*arguments, **options):
    """Runs the command line under test."""
    if not PUNSTER.exists():
        raise Failure(f"{PUNSTER} is missing: build first, or set PUNSTER_BUILD")
    result = run([PUNSTER, *arguments], **options)
    calls.append(([str(a) for a in arguments], result.status))
    return result


@dataclass
class Rewritten:
    output: Path
    stats: dict
    sites: list = field(default_factory=list)
    run: Run = None
    sites_file: Path = None


def patch(program, output, requests, extra=(), expect=0, with_sites=True):
    """`requests`: ["-M", "jmp", "-P", "empty"]. Fails unless the exit status is `expect`."""
    output = Path(output)
    stats_file, sites_file = Path(f"{output}.stats"), Path(f"{output}.sites")
    sites = ["--sites", sites_file] if with_sites else []
    done = punster("patch", *requests, program, "-o", output, "--stats", stats_file, *sites, *extra)
    if done.status != expect:
        raise Failure(f"punster patch {' '.join(requests)} {program}: exit status {done.status}, "
                      f"expected {expect}\n{done.stdout}{done.stderr}")
    stats = json.loads(stats_file.read_text()) if stats_file.exists() else {}
    check_statistics(stats)
    rows = []
    if with_sites and sites_file.exists():
        with open(sites_file) as lines:
            rows = [json.loads(line) for line in lines]
        if len(rows) != stats["sites"]:
            raise Failure(f"{len(rows)} lines in --sites, {stats['sites']} sites in --stats")
    return Rewritten(output, stats, rows, done, sites_file if with_sites else None)


def check_statistics(stats):
    """The equations that DESIGN's contract promises, whatever the outcome."""
    def equal(left, right, what):
        if left != right:
            raise Failure(f"statistics: {what}: {left} != {right}")

    s = stats
    equal(s["sites"], s["patched"] + s["trapped"] + s["failed"], "sites = patched + trapped + failed")
    equal(sum(s["by_tactic"].values()), s["patched"] + s["trapped"], "sum of by_tactic")
    equal(s["text_bytes"], s["code_bytes"] + s["data_bytes"] + s["padding_bytes"] + s["doubt_bytes"],
          "text_bytes = code + data + padding + doubt")
    if s["trapped"] != s["by_tactic"].get("B0", 0):
        raise Failure("statistics: trapped is not by_tactic.B0: a trapped site was called patched")


def verify(original, rewritten):
    done = punster("verify", "--sites", rewritten.sites_file, original, rewritten.output)
    if done.status != 0:
        raise Failure(f"punster verify disagrees (exit status {done.status})\n"
                      f"{done.stdout[-3000:]}{done.stderr[-3000:]}")


def normalised(text, directory):
    return text.replace(str(directory), "DIR")


def differences(before, after):
    """Two Runs: a readable account of how they differ; empty when they do not."""
    out = []
    if before.status != after.status:
        out.append(f"exit status: original {before.status}, rewritten {after.status}")
    for name in ("stdout", "stderr"):
        a, b = getattr(before, name), getattr(after, name)
        if a != b:
            diff = difflib.unified_diff(a.splitlines(), b.splitlines(), f"original {name}",
                                        f"rewritten {name}", lineterm="", n=1)
            out += [line for _, line in zip(range(40), diff)]
    return "\n".join(out)


def compare_runs(before_dir, after_dir, make_command, timeout=300, env=None):
    """Runs make_command(directory) for both directories, each in its own fresh working directory."""
    results = []
    for directory in (before_dir, after_dir):
        cwd = Path(tempfile.mkdtemp(prefix="cwd-", dir=directory))
        result = run(make_command(directory), cwd=cwd, timeout=timeout, env=env)
        for place in (cwd, directory):
            result.stdout = normalised(result.stdout, place)
            result.stderr = normalised(result.stderr, place)
        results.append(result)
    found = differences(*results)
    if found:
        raise Failure("the rewritten program behaves differently\n" + found)
    return results[0]


def main(test, *arguments):
    """Runs `test(*arguments)`; a failure prints what, where the files are, and how to run it again."""
    try:
        test(*arguments)
    except Failure as failure:
        keep.wanted = True
        build = "" if BUILD == ROOT / "build" else f"PUNSTER_BUILD={BUILD} "
        command = " ".join(repr(a) if " " in a or "(" in a else a for a in sys.argv[1:])
        script = os.path.relpath(sys.argv[0], ROOT)
        print(f"FAILED: {failure}\nfiles kept in: {keep.path}\n"
              f"run it again: {build}{script} {command}")
        sys.exit(1)
