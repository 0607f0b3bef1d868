"""Each idea of the solver can be turned off, and what to spare can be chosen: every switch is seen in a figure of ls."""

import re

from contract import covers
from rewriting import Failure, patch, punster, run, verify

PROGRAM = "/usr/bin/ls"


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def figures(work, match, *switches):
    """The statistics, and how many instructions were evicted. Every output is proven."""
    rewritten = patch(PROGRAM, work / "ls", ["-M", match, "-P", "empty"], switches)
    verify(PROGRAM, rewritten)
    return {**rewritten.stats, "bytes": rewritten.stats["output"]["bytes"],
            "evicted": sum(len(site["evicted"]) for site in rewritten.sites)}


@covers("option:--solver")
def sites_decided_one_by_one_leave_traps(work):
    together, alone = figures(work, "true", "--solver", "joint"), figures(work, "true", "--solver", "greedy")
    expect(alone["patched"] < together["patched"], (alone["patched"], together["patched"]))
    expect(alone["mappings"] > 2 * together["mappings"], (alone["mappings"], together["mappings"]))


@covers("option:--no-landing-pads")
def without_landing_pads_there_is_no_t3(work):
    # Decided together, hardly a site of ls needs one.
    with_pads = figures(work, "true", "--solver", "greedy")
    without = figures(work, "true", "--solver", "greedy", "--no-landing-pads")
    expect(with_pads["by_tactic"].get("T3", 0) > 100, with_pads["by_tactic"])
    expect("T3" not in without["by_tactic"] and without["trapped"] > with_pads["trapped"], without["by_tactic"])


@covers("option:--no-stubs")
def without_stubs_jumps_reach_their_trampolines(work):
    with_stubs, without = figures(work, "true"), figures(work, "true", "--no-stubs")
    expect(without["patched"] < 0.6 * with_stubs["patched"], (without["patched"], with_stubs["patched"]))
    expect(without["mappings"] < with_stubs["mappings"], (without["mappings"], with_stubs["mappings"]))
    sections = run(["readelf", "-SW", work / "ls"]).stdout
    expect(".punster.bodies" in sections and ".punster.stubs" not in sections, sections)


@covers("option:--lookahead")
def without_lookahead_no_follower_is_placed_anew(work):
    joint = "follower chosen jointly"
    far, near = figures(work, "jmp", "--lookahead", "5"), figures(work, "jmp", "--lookahead", "0")
    expect(far["by_means"].get(joint, 0) > 100 and joint not in near["by_means"], (far["by_means"], near["by_means"]))
    expect(near["patched"] < far["patched"] or near["mappings"] > far["mappings"], near)


@covers("option:--optimize")
def what_to_spare_is_spared(work):
    by_loader = ("--layout", "loader")
    balanced = figures(work, "jmp", *by_loader, "--optimize", "balanced")
    speed, mappings, size = (figures(work, "jmp", *by_loader, "--optimize", what) for what in ("speed", "mappings", "size"))
    expect(speed["evicted"] < balanced["evicted"], (speed["evicted"], balanced["evicted"]))
    expect(mappings["mappings"] < balanced["mappings"], (mappings["mappings"], balanced["mappings"]))
    expect(size["bytes"] < balanced["bytes"], (size["bytes"], balanced["bytes"]))


@covers("option:--optimize")
def for_speed_small_bodies_stand_where_their_stubs_would(work):
    for extra in ([], ["--no-chaining"]):
        sites = {}
        for what in ("balanced", "speed"):
            requests = ["-M", "jmp", "-P", "empty", "--optimize", what, "--layout", "loader"]
            (work / "out").mkdir(exist_ok=True)
            rewritten = patch(PROGRAM, work / "out" / "ls", requests, extra)
            verify(PROGRAM, rewritten)
            expect(run([work / "out" / "ls", "/usr"]).stdout == run([PROGRAM, "/usr"]).stdout, "other output")
            listed = run(["readelf", "-SW", work / "out" / "ls"]).stdout
            rows = [(int(address, 16), int(size, 16)) for address, size in
                    re.findall(r"\.punster\.bodies +\w+ +(\w+) +\w+ +(\w+)", listed)]
            sites[what] = sum(not any(low <= int(site["trampoline"], 16) < low + size for low, size in rows)
                              for site in rewritten.sites)
        expect(sites["balanced"] == 0 and sites["speed"] > len(rewritten.sites) / 4, sites)


@covers("exit:2")
def choices_that_do_not_exist_are_wrong_usage(work):
    for words in (["--optimize", "all"], ["--solver", "best"], ["--lookahead", "6"]):
        done = punster("patch", "-M", "jmp", "-P", "empty", PROGRAM, "-o", work / "out", *words)
        expect(done.status == 2 and words[0] in done.stderr, done)
    expect(not (work / "out").exists(), "an output")
