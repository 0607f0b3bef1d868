"""What is asked of Punster for one case: which sites, which options; and the rewriting itself."""

import csv
import functools
import io
import json
import re
import shutil
from dataclasses import dataclass

from rewriting import Failure, punster

# Switches that turn an idea off, tried where `punster patch --help` lists them.
SWITCHES = ["--no-chaining", "--no-landing-pads", "--no-stubs", "--solver", "--lookahead", "--optimize"]
REFUSALS = ("over_budget", "no room", "mappings")  # a refusal with one of these words is an honest answer


@dataclass
class Request:
    arguments: list


@functools.cache
def help_text():
    return punster("patch", "--help").stdout


@functools.cache
def known_tactics():
    listed = re.search(r"--tactics LIST\s+Only these, of ([A-Z0-9,]+)", help_text())
    return listed.group(1).split(",")


def switch(dice, name):
    if name == "--solver":
        return [name, dice.choice(re.findall(r"\b(greedy|joint)\b", help_text()) or ["greedy"])]
    if name == "--optimize":
        return [name, dice.choice(["speed", "mappings", "size"])]
    if name == "--lookahead":
        return [name, str(dice.randrange(0, 6))]
    return [name]


def random_options(dice, layout, counting):
    arguments = ["-P", dice.choice(["count", "count(atomic)"]) if counting else "empty"]
    if dice.random() < 0.4:
        tactics = [t for t in known_tactics() if dice.random() < 0.7] or ["B2"]
        arguments += ["--tactics", ",".join(tactics)]
    if layout.rsp_may_be_anything or dice.random() < 0.35:
        arguments += ["--no-traps"]
    for name in SWITCHES:
        if name in help_text() and dice.random() < 0.2:
            arguments += switch(dice, name)
    return Request(arguments)


def all_sites(file):
    """The instructions of the generated functions that the analysis is sure of."""
    done = punster("sites", "-M", 'section == ".text"', "--format", "csv", file)
    if done.status != 0:
        raise Failure(f"punster sites: status {done.status}: {done.stderr}")
    return [int(row["address"], 16) for row in csv.DictReader(io.StringIO(done.stdout))]


def choice_of_sites(dice, sites, share):
    if share >= 1:
        return sites
    chosen = [s for s in sites if dice.random() < share]
    return chosen or [dice.choice(sites)]


def rewrite(original, folder, sites, request):
    """Rewrites and verifies; counts of the outcome, or None where Punster refuses with a reason that it may have."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    table, output, stats_file, sites_file = (folder / name for name in ("sites.csv", "case", "stats.json", "case.sites"))
    table.write_text("address\n" + "".join(f"{s:#x}\n" for s in sites))
    done = punster("patch", "-M", f'addr in "{table}"', *request.arguments, original, "-o", output, "--stats", stats_file,
                   "--sites", sites_file, "--quiet", "--jobs", "1")
    stats = json.loads(stats_file.read_text()) if stats_file.exists() else {}
    if done.status == 1 and stats.get("status") == "refused" and any(word in done.stderr for word in REFUSALS):
        return None
    if done.status != 0:
        raise Failure(f"punster patch: status {done.status}: {done.stderr[-500:]}")
    if stats["patched"] + stats["trapped"] > 0:
        checked = punster("verify", "--sites", sites_file, original, output)
        if checked.status != 0:
            raise Failure(f"punster verify: status {checked.status}\n{checked.stdout[-1500:]}{checked.stderr[-500:]}")
    return {"rewrites": 1, "sites": stats["sites"], "patched": stats["patched"], "trapped": stats["trapped"]}


def counts(output):
    """{address: executions} of the one run that a rewritten program had; sites that failed are left out."""
    with open(f"{output}.sites") as lines:
        without = {row["address"] for row in map(json.loads, lines) if row["result"] == "failed"}
    done = punster("top", "--once", "--format", "csv", f"{output}.counts")
    if done.status != 0:
        raise Failure(f"punster top: status {done.status}: {done.stderr}")
    return {row["address"]: int(row["count"]) for row in csv.DictReader(io.StringIO(done.stdout)) if row["address"] not in without}


def reduced(sites, fails):
    """A smaller list of sites for which `fails` still holds; gives up after 120 tries."""
    parts, tries = 2, 0
    while len(sites) > 1 and tries < 120:
        size = max(1, len(sites) // parts)
        for begin in range(0, len(sites), size):
            rest = sites[:begin] + sites[begin + size:]
            tries += 1
            if rest and fails(rest):
                sites, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(sites), 2 * parts)
    return sites
