"""What scripts rely on, as rows `kind:name`, and which tests call each row.

A test claims rows with @covers("action:nop", "exit:1"); after it ran, `claims_kept` compares the claims
with the calls that were recorded, so that a claim cannot outlive what it claims. `contracts` prints the
table and fails on a row without a test.
"""

import importlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import rewriting
from rewriting import Failure

HERE = Path(__file__).resolve().parent

ROWS = {
    "subcommand": "patch sites explain analyze show verify check top export bisect run calibrate cc serve",
    "action": "empty count count(atomic) print breakpoint trap exit signal break nop bytes jump call",
    "match": "true jmp jcc call ret syscall asm mnemonic addr offset size section symbol target "
             "random BB F file absname basename dirname line op src dst reg mem imm reads writes and or not ( == != < <= > >= regex in csv json",
    "method": "initialize binary options reserve trampoline instruction instructions patch patches "
              "padding counters results plan emit stats explain progress cancel shutdown dialect "
              "open sites rewrite verify",
    "statistic": "schema status error tool argv input output kind layout layout_reason raised_by not_raised instructions "
                 "text_bytes code_bytes data_bytes padding_bytes doubt_bytes sites patched trapped "
                 "failed trap_with by_tactic by_means mappings virtual_pages physical_pages unwind seconds peak_rss_bytes",
    "status": "ok partial refused failed interrupted",
    "exit": "0 1 2 3 130",
    "option": "--build-id --stats --sites --tactics --no-traps --trap-with --rounds --no-chaining --no-unwind --unwind-rows --raise --layout --max-headers --share-pages --max-mappings --strict "
              "--syntax --jobs --allow-no-sites --format --counters --once --at --optimize --solver --lookahead "
              "--no-landing-pads --no-stubs --code --data --addresses --debug-file --exclude --doubt --instructions --draw --timeout --verbose "
              "--listen --root --allow-uid --max-sessions --memory --cpu-seconds --idle-seconds --open-files --output-size --grace --record "
              "--vector --with-libraries --names --cache --cache-size --address-space --stack --kernel",
    "format": "text json csv",
    "export": "drcov lcov csv json",
    "environment": "PUNSTER_STRICT PUNSTER_COUNTERS PUNSTER_TRAPS PUNSTER_DEBUG PUNSTER_CACHE",
}


def rows():
    return [f"{kind}:{name}" for kind, names in ROWS.items() for name in names.split()]


@dataclass
class UserTest:
    name: str
    function: object
    claims: tuple


def covers(*claims):
    """Marks a test; each claim is a row."""
    unknown = set(claims) - set(rows())
    assert not unknown, f"no such row: {unknown}"

    def mark(function):
        function.claims = claims
        return function
    return mark


def user_tests():
    sys.path.insert(0, str(HERE / "user"))
    tests = {}
    for path in sorted((HERE / "user").glob("*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            if hasattr(function, "claims") and function.__module__ == path.stem:
                tests[f"{path.stem}.{name}"] = UserTest(f"{path.stem}.{name}", function, function.claims)
    return tests


# Methods that a test sent to punster-backend itself; stream.py records them here.
methods_called = set()


def values_of(arguments, *options):
    return [b for a, b in zip(arguments, arguments[1:]) if a in options]


def _expression_uses(expression, name):
    if name == "regex":
        return re.search(r"/.+/", expression)
    if name in ("csv", "json"):
        return f".{name}" in expression
    if re.fullmatch(r"\w+", name):
        return re.search(rf"\b{name}\b", expression)
    return name in expression


def _is_action(text, name):
    text = re.sub(r"^ *(before|replace|after) ", "", text)
    return ")@" in text if name == "call" else text.startswith(name)


def _statistics_seen():
    seen = {}
    for arguments, _ in rewriting.calls:
        for path in values_of(arguments, "--stats"):
            if Path(path).exists():
                seen = json.loads(Path(path).read_text())
                yield seen


def claims_kept(test):
    calls = [arguments for arguments, _ in rewriting.calls]
    for claim in test.claims:
        kind, name = claim.split(":", 1)
        kept = {
            "subcommand": lambda: any(c[:1] == [name] for c in calls),
            "action": lambda: any(_is_action(v, name) for c in calls for v in values_of(c, "-P")),
            "match": lambda: any(_expression_uses(v, name) for c in calls for v in values_of(c, "-M")),
            "method": lambda: name in methods_called,
            "statistic": lambda: any(name in s for s in _statistics_seen()),
            "status": lambda: any(s.get("status") == name for s in _statistics_seen()),
            "exit": lambda: any(str(status) == name for _, status in rewriting.calls),
            "option": lambda: any(name in c for c in calls),
            "environment": lambda: name in rewriting.variables,
            "export": lambda: any(name in values_of(c, "--to") for c in calls),
            "format": lambda: any(name in values_of(c, "--format") for c in calls),
        }[kind]()
        if not kept:
            raise Failure(f"{test.name} says that it covers {claim}, but it never did")
