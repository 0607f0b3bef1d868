"""python3 -m punster.replay [--rebase] TRANSCRIPT... -- PROGRAM [ARGUMENT...]

Replays what `--record FILE` wrote: sends the client's lines to PROGRAM (or to a socket: unix:PATH) and
compares its answers. A transcript has lines "--> " (from the client) and "<-- " (to it), as PROTOCOL.md shows
them; lines "file NAME HEX" make files to work with, {WORK} stands for the folder they are in, and # begins a
comment. What differs from run to run or with the solver is left out: progress, seconds, memory, where things
were placed. --rebase writes the answers into
the transcripts instead; read the diff.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, List, Sequence, Tuple

VOLATILE = {"seconds", "peak_rss_bytes"}
# What the solver decides is its own tests' business.
DECISIONS = {"output_bytes", "mappings", "virtual_pages", "physical_pages", "by_tactic", "by_means", "tactic", "means",
             "trampoline", "jump_target", "evicted", "borrowed_from", "alternatives", "note", "unwind"}


def steady(message: Any) -> Any:
    """`message` without what differs from run to run."""
    if isinstance(message, dict):
        return {k: steady(v) for k, v in message.items() if k not in VOLATILE | DECISIONS}
    return [steady(m) for m in message] if isinstance(message, list) else message


def is_progress(line: str) -> bool:
    try:
        message = json.loads(line)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("method") == "progress"


def exchange(target: Sequence[str], requests: bytes) -> List[str]:
    """All lines that come back."""
    if target[0].startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(target[0][5:])
            connection.sendall(requests)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    else:
        answer = subprocess.run(target, input=requests, stdout=subprocess.PIPE, check=False).stdout
    return [line for line in answer.decode(errors="replace").splitlines() if line and not is_progress(line)]


def replay(transcript: Path, target: Sequence[str], work: Path) -> Tuple[List[str], List[str]]:
    """(expected, heard): the answers that were recorded and those that come now, both steady."""
    requests, expected = b"", []
    for line in transcript.read_text(errors="surrogateescape").splitlines():
        if line.startswith("file "):
            _, name, contents = line.split()
            (work / name).write_bytes(bytes.fromhex(contents))
        elif line.startswith("--> "):
            requests += line[4:].replace("{WORK}", str(work)).encode(errors="surrogateescape") + b"\n"
        elif line.startswith("<-- ") and not is_progress(line[4:]):
            expected.append(line[4:])
    heard = [line.replace(str(work), "{WORK}") for line in exchange(target, requests)]

    def comparable(lines: List[str]) -> List[str]:
        return [json.dumps(steady(json.loads(line)), sort_keys=True) for line in lines]
    return comparable(expected), comparable(heard)


def rebase(transcript: Path, heard: List[str]) -> None:
    kept = [line for line in transcript.read_text(errors="surrogateescape").splitlines()
            if not line.startswith("<-- ")]
    kept += [f"<-- {line}" for line in heard]
    text = "\n".join(kept) + "\n"
    transcript.write_text(text, errors="surrogateescape")


def main(arguments: Sequence[str]) -> int:
    if "--" not in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    split = list(arguments).index("--")
    target = list(arguments)[split + 1:]
    status = 0
    for name in arguments[:split]:
        if name == "--rebase":
            continue
        with tempfile.TemporaryDirectory() as work:
            expected, heard = replay(Path(name), target, Path(work))
        if "--rebase" in arguments[:split]:
            rebase(Path(name), heard)
        elif expected != heard:
            status = 1
            print(f"{name}: the answers differ")
            for number in range(max(len(expected), len(heard))):
                was, now = ((expected + [""] * len(heard))[number], (heard + [""] * len(expected))[number])
                if was != now:
                    print(f"answer {number + 1}:\n- {was}\n+ {now}")
                    break
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
