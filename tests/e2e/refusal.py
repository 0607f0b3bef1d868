"""`refused`: one call of `punster patch` that must fail cleanly."""

import json
import os
import time
from pathlib import Path

import rewriting
from rewriting import Failure, PUNSTER

DEFAULT_REQUESTS = ("-M", "jmp", "-P", "empty")


def shared_memory():
    return set(os.listdir("/dev/shm"))


def nothing_left_in_shared_memory(before):
    for _ in range(20):  # other tests come and go
        left = {n for n in shared_memory() - before}
        if not left:
            return
        time.sleep(0.1)
    raise Failure(f"left in /dev/shm: {left}")


def refused(work, program, requests=DEFAULT_REQUESTS, output=None, status=1, kind=None, says="",
            lines=1, output_exists=False, wrapper=(), powerless=False, extra=()):
    """Checks the exit status (None: 1 or 2), the message (`lines` lines on stderr that contain `says`),
    the kind in --stats, that no output and no temporary file appears, and shared memory.
    `powerless`: as root, drop the right to override file permissions first."""
    output = Path(output or work / "out" / "output")
    if not output_exists and output.parent == work / "out":
        output.parent.mkdir(exist_ok=True)
    before = set(os.listdir(output.parent)) if output.parent.is_dir() else set()
    shm = shared_memory()
    stats_file = work / "refused.stats"
    stats_file.unlink(missing_ok=True)
    if powerless and os.geteuid() == 0:
        wrapper = ["setpriv", "--bounding-set=-all", *wrapper]
    arguments = ["patch", *requests, program, "-o", output, "--stats", stats_file, *extra]
    done = rewriting.run([*wrapper, PUNSTER, *arguments])
    rewriting.calls.append(([str(a) for a in arguments], done.status))

    def wrong(what):
        raise Failure(f"{what}\nstatus {done.status}\nstdout: {done.stdout}\nstderr: {done.stderr}\n"
                      f"command: {' '.join(map(str, [*wrapper, PUNSTER, *arguments]))}")

    if done.status not in ([status] if status is not None else [1, 2]):
        wrong(f"exit status {done.status}, expected {status}")
    if done.stdout:
        wrong("output on stdout")
    if lines and len(done.stderr.splitlines()) != lines:
        wrong(f"the message has {len(done.stderr.splitlines())} lines, expected {lines}")
    if says not in done.stderr:
        wrong(f"the message does not say {says!r}")
    if "LEFT" in done.stderr:
        wrong("files left behind")
    if not output_exists and output.exists():
        wrong("an output was written")
    after = set(os.listdir(output.parent)) if output.parent.is_dir() else set()
    if after - before - {stats_file.name}:
        wrong(f"left behind: {after - before}")
    nothing_left_in_shared_memory(shm)
    if status == 1:
        if not stats_file.exists():
            wrong("no --stats on refusal")
        stats = json.loads(stats_file.read_text())
        if stats["status"] not in ("refused", "failed"):
            wrong(f"statistics say status {stats['status']}")
        if kind and (stats.get("error") or {}).get("kind") != kind:
            wrong(f"error {stats.get('error')}, expected kind {kind}")
        if stats.get("output") and stats["output"].get("bytes"):
            wrong("statistics speak of an output")
    return done
