"""Wrong usage: status 2, and the place in the text; nothing to do: status 1, unless allowed."""

import re

from contract import covers
from refusal import refused
from rewriting import TARGETS, Failure, patch, punster

HELLO = TARGETS / "hello"


def points_at(stderr, expression, column):
    lines = stderr.splitlines()
    for text, below in zip(lines, lines[1:]):
        if text.strip() == expression.strip() and below.strip() == "^":
            return below.index("^") - text.index(expression[0]) == column
    return False


@covers("exit:2", "match:jmp", "match:and")
def unknown_attribute_points_at_the_column(work):
    expression = "jmp and colour == 2"
    done = refused(work, HELLO, ["-M", expression, "-P", "empty"], status=2, lines=0, says="colour")
    if not points_at(done.stderr, expression, 8):
        raise Failure(f"no caret below 'colour':\n{done.stderr}")


@covers("exit:2")
def faults_in_expressions(work):
    for expression in ("jmp and", "(jmp", "jmp)", "asm == /([/", "size ==", "== 3", "jmp jmp", "size = = 2",
                       "addr in \"no-such.csv\"", "&nosuchsymbol == addr", "\"unclosed"):
        refused(work, HELLO, ["-M", expression, "-P", "empty"], status=2, lines=0)
    refused(work, HELLO, ["-M", "", "-P", "empty"], status=2, lines=0)


@covers("exit:2", "action:exit", "action:bytes", "action:jump")
def faults_in_actions(work):
    for action in ("explode", "", "exit", "exit(", "exit(x)", "bytes(zz)", "bytes(3", "bytes()", "jump()",
                   "jump(nosuchsymbol)", "count(often)", "nop(1)", "empty()x"):
        refused(work, HELLO, ["-M", "jmp", "-P", action], status=2, lines=0)


@covers("exit:2")
def wrong_options(work):
    for words in (["--no-such-option"], ["--tactics", "X9"], ["--max-mappings", "many"], ["--jobs", "0"],
                  ["--format", "xml"], ["--syntax", "masm"], ["--build-id", "perhaps"]):
        refused(work, HELLO, status=2, extra=words)
    for words in ([], ["no-such-command"], ["patch"], ["patch", "-M", "jmp", HELLO], ["sites", HELLO],
                  ["show", HELLO], ["explain", HELLO], ["verify", HELLO], ["top"],
                  ["patch", "-P", "empty", "-M", "jmp", HELLO, "-o", work / "out"]):
        done = punster(*words)
        if done.status != 2 or done.stdout or "--help" not in done.stderr:
            raise Failure(f"punster {words}: status {done.status}\n{done.stdout}{done.stderr}")


@covers("exit:0", "exit:1", "option:--allow-no-sites", "match:addr")
def no_match_names_the_nearest_instruction_starts(work):
    sites = patch(HELLO, work / "all", ["-M", "true", "-P", "empty"]).sites
    middle = next(s for s in sites if s["size"] >= 5)
    at = int(middle["address"], 16) + 1
    following = int(middle["address"], 16) + middle["size"]
    done = refused(work, HELLO, ["-M", f"addr == {at:#x}", "-P", "empty"], kind="no_match")
    for start in (middle["address"], f"{following:#x}"):
        if start not in done.stderr:
            raise Failure(f"{start} is not named:\n{done.stderr}")
    allowed = patch(HELLO, work / "copy", ["-M", f"addr == {at:#x}", "-P", "empty"], ["--allow-no-sites"])
    if allowed.stats["sites"] != 0 or not (work / "copy").exists():
        raise Failure(f"--allow-no-sites: {allowed.stats}")
    if punster("sites", "-M", f"addr == {at:#x}", HELLO).status != 1:
        raise Failure("sites: nothing matched is status 1")


@covers("exit:0")
def help_and_version(work):
    for words in (["--help"], ["--version"], *([c, "--help"] for c in
                  ("patch", "sites", "explain", "show", "verify", "top"))):
        done = punster(*words)
        if done.status or done.stderr or not done.stdout:
            raise Failure(f"punster {words}: status {done.status}\n{done.stderr}")
    if not re.search(r"^punster \d+\.\d+", punster("--version").stdout):
        raise Failure("no version")
