"""Rewrites a file with a tool under test: Punster, Punster with switches, or a peer of peers/."""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

from outcome import ROOT
from processes import measured

BUILD = Path(os.environ.get("PUNSTER_BUILD", ROOT / "build"))
PUNSTER = BUILD / "bin/punster"


@dataclass
class Tool:
    name: str
    switches: tuple = ()
    peer: bool = False


def offers(switch):
    """Whether this build of punster has the switch."""
    return switch in measured([PUNSTER, "patch", "--help"], watch_memory=False).stdout


def own(source, match, output, switches=(), sites=None):
    """(statistics, None), or (None, what went wrong)."""
    stats = Path(f"{output}.stats")
    done = measured([PUNSTER, "patch", "-M", match, "-P", "empty", *switches, source, "-o", output, "--stats", stats,
                     *(["--sites", sites] if sites else []), "--quiet"], watch_memory=False)
    return (json.loads(stats.read_text()), None) if done.status == 0 else (None, done.stderr.strip()[-200:])


def trapped(output):
    """How many sites of an output of ours are traps."""
    stats = Path(f"{output}.stats")
    return json.loads(stats.read_text())["trapped"] if stats.exists() else 0


def site_table(source, match, folder):
    """The CSV that peers get: one row `address,size` per site."""
    listed, table = folder / "sites.jsonl", folder / "sites.csv"
    stats, fault = own(source, match, folder / "unused", sites=listed)
    if stats is None:
        raise SystemExit(f"{source}: {fault}")
    with open(listed) as lines, open(table, "w", newline="") as out:
        writer = csv.writer(out)
        for line in lines:
            row = json.loads(line)
            writer.writerow([row["address"], row["size"]])
    return table


def rewritten(tool, source, match, folder, output):
    """None, or why there is no output."""
    if not tool.peer:
        return own(source, match, output, tool.switches)[1]
    adapter = Path(__file__).resolve().parent / "peers" / tool.name
    done = measured([adapter, "patch", source, site_table(source, match, folder), output, folder / "result.json"], cwd=folder,
                    watch_memory=False)
    return None if done.status == 0 and output.exists() else done.stderr.strip()[-200:] or "no output"
