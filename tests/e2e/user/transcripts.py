"""Transcripts: those of tests/transcripts replayed by the Python package, over pipes and a socket; and recorded
ones replayed."""

import os
import subprocess
import sys

import rewriting
from contract import covers
from protocol import expect
from rewriting import BACKEND, PUNSTER, ROOT, TARGETS, Failure
from service import Service

PACKAGE = ROOT / "protocol" / "python"
TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.transcript"))


def replayed(transcript, *target):
    return subprocess.run([sys.executable, "-m", "punster.replay", transcript, "--", *map(str, target)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE)})


@covers("option:--listen")
def kept_transcripts(work):
    with Service(work) as service:
        for transcript in TRANSCRIPTS:
            for target in ((BACKEND,), (f"unix:{service.path}",)):
                done = replayed(transcript, *target)
                # Over a socket a descriptor could have come.
                same = done.returncode == 0 or (len(target[0:1]) and "descriptor" in done.stdout and target[0] != BACKEND)
                expect(same, f"{transcript} {target}\n{done.stdout}{done.stderr}")


@covers("option:--record", "subcommand:serve")
def recorded_and_replayed(work):
    """What is recorded of both programs can be replayed; a changed answer is noticed."""
    request = '{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}\n'
    program = TARGETS / "jump_table"
    for command, method in (([BACKEND], "binary"), ([PUNSTER, "serve"], "open")):
        record = work / f"{method}.transcript"
        stream = (request % (1, "initialize", '{"protocol_version":1}') + request % (2, method, f'{{"filename":"{program}"}}')
                  + request % (3, "nothing", "{}") + "{]\n")
        arguments = [*command[1:], "--record", str(record)]
        done = subprocess.run([command[0], *arguments], input=stream, capture_output=True, text=True, timeout=60)
        rewriting.calls.append((arguments, done.returncode))
        lines = [line for line in record.read_text().splitlines() if '"method":"progress"' not in line]
        expect(sum(line.startswith("--> ") for line in lines) == 4 and sum(line.startswith("<-- ") for line in lines) == 4,
               lines)
        again = replayed(record, *command)
        expect(again.returncode == 0, again.stdout + again.stderr)
        record.write_text(record.read_text().replace("unknown_method", "known_method"))
        if replayed(record, *command).returncode != 1:
            raise Failure("a different answer went unnoticed")
