"""`punster serve`: files are opened, searched, rewritten and proven inside a session."""

import os
import signal

import rewriting
from contract import covers, methods_called
from protocol import PROGRAM, describe, expect, jumps, same_output, site_batch
from rewriting import PUNSTER, punster, run
from service import Service, until
from stream import Client


# objdump's jumps are compared with, which protocol.py takes from .text.
IN_TEXT = ["jmp", 'section == ".text"']


def serving(*options):
    rewriting.calls.append((["serve", *options], 0))
    return Client(program=(PUNSTER, "serve", *options))


@covers("subcommand:serve", "method:open", "method:sites", "method:rewrite", "method:verify", "method:results",
        "method:explain")
def from_open_to_proof(work):
    with serving("--stdio") as client:
        expect({"open", "rewrite", "sites", "verify"} <= set(client.hello["capabilities"]), client.hello)
        opened = client.call("open", filename=str(PROGRAM))
        expect(opened["kind"] == "pie" and opened["text_bytes"] >= opened["code_bytes"] > 0, opened)
        sites = client.call("sites", match=IN_TEXT, count=5)
        expect(sites["total"] == len(jumps()) and len(sites["address"]) == 5, sites)
        expect(sites["asm"][0].startswith("j") and sites["section"][0] == ".text", sites)
        rest = client.call("sites", match=IN_TEXT, **{"from": 5, "count": 4096})
        expect([int(a, 16) for a in sites["address"] + rest["address"]] == [j.address for j in jumps()], "pages")
        reply = client.call("rewrite", rules=[{"match": IN_TEXT, "action": "empty"}], filename=str(work / "out"))
        expect(reply["statistics"]["sites"] == len(jumps()) and reply["counters"] is None, reply)
        expect(client.call("results", count=3)["total"] == len(jumps()), "results")
        expect(client.call("explain", addresses=[sites["address"][0]])["explanations"], "explain")
        proof = client.call("verify")
        expect(proof["proved"] and proof["sites"] >= len(jumps()), proof)
        expect(client.notifications[0]["params"]["phase"] == "analyse", client.notifications[0])
    same_output(work / "out")
    punster("patch", *(w for m in IN_TEXT for w in ("-M", m)), "-P", "empty", PROGRAM, "-o", work / "cli")
    expect((work / "cli").read_bytes() == (work / "out").read_bytes(), "the same file as `punster patch` writes")


@covers("method:rewrite", "method:plan")
def counters_rules_and_plans(work):
    with serving() as client:
        client.call("open", filename=str(PROGRAM))
        planned = client.call("rewrite", rules=[{"action": "count"}], options={"traps": False})
        expect(planned["statistics"]["trapped"] == 0 and planned["statistics"]["output_bytes"] == 0, planned)
        rules = [{"match": ["jcc"], "action": ["count"]}, {"match": "call", "action": "count(atomic)"}]
        reply = client.call("rewrite", rules=rules, filename=str(work / "out"))
        expect(reply["counters"] == str(work / "out.counts"), reply)
        client.call("plan")
    same_output(work / "out")
    expect((work / "out.counts").stat().st_size > 4096, "a file of counters")
    expect(sorted(os.listdir(work)) == ["out", "out.counts"], os.listdir(work))


@covers("method:open", "method:rewrite", "method:sites")
def mistakes_are_named(work):
    with serving() as client:
        for method, params, kind, where in (
                ("sites", {"match": "jmp"}, "no_binary", None),
                ("open", {"filename": "/etc/passwd"}, "not_elf", None),
                ("open", {"filename": str(work / "none")}, "unreadable", None),
                ("open", {}, "bad_request", "/params"),
                ("open", {"bytes": "7f454"}, "bad_request", "/params/bytes"),
                ("open", {"bytes": "7f45"}, "not_elf", None),
                ("rewrite", {"rules": []}, "bad_request", "/params/rules"),
                ("rewrite", {"rules": [{"match": "jmp"}]}, "bad_request", "/params/rules/0/action"),
                ("rewrite", {"rules": [{"action": "empty"}], "options": {"lookahead": 9}}, "bad_request",
                 "/params/options/lookahead"),
                ("verify", {}, "no_binary", None)):
            error = client.refused(method, **params)
            expect(error.data["kind"] == kind and error.data.get("where") == where, (method, params, error))
        client.call("open", bytes=PROGRAM.read_bytes().hex())
        for match, action, kind in (("jmp and", "empty", "bad_expression"), ("jmp", "no such", "bad_action"),
                                    ("mnemonic == \"nothing\"", "empty", "no_match")):
            error = client.refused("rewrite", rules=[{"match": match, "action": action}], filename=str(work / "o"))
            expect(error.data["kind"] == kind, error)
        error = client.refused("rewrite", rules=[{"action": "empty"}] * 65)
        expect(error.data["where"] == "/params/rules", error)
        error = client.refused("rewrite", rules=[{"action": "empty"}, {"match": "jmp and", "action": "empty"}])
        expect(error.data["where"] == "/params/rules/1/match", error)
        error = client.refused("verify")
        expect(error.data["kind"] == "bad_request", error)
        client.call("rewrite", rules=[{"match": "jmp", "action": "empty"}], filename=str(work / "out"))
    same_output(work / "out")


@covers("method:binary", "method:emit", "method:patches")
def the_methods_of_the_backend(work):
    with serving() as client:
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        client.call("emit", filename=str(work / "out"))
        error = client.refused("binary", filename="/etc/passwd")
        expect(error.data["kind"] == "not_elf" and error.message.startswith("/etc/passwd:"), error)
    same_output(work / "out")


@covers("method:cancel", "method:rewrite")
def a_rewriting_is_cancelled(work):
    with serving() as client:
        client.call("open", filename="/usr/bin/bash")
        number = client.post("rewrite", rules=[{"action": "empty"}], filename=str(work / "out"))
        client.read()  # the first sign of work
        client.send({"jsonrpc": "2.0", "method": "cancel"})
        methods_called.add("cancel")
        reply = client.reply()
        expect(reply["id"] == number and reply["error"]["data"]["kind"] == "cancelled", reply)
        client.call("rewrite", rules=[{"match": "symbol == \"main\"", "action": "empty"}])
    expect(os.listdir(work) == [], os.listdir(work))


@covers("option:--listen", "option:--root", "method:open")
def over_a_socket(work):
    root = work / "root"
    root.mkdir()
    (root / "in").write_bytes(PROGRAM.read_bytes())
    os.chmod(root / "in", 0o755)
    (root / "list.csv").write_text("0x1139\n")
    with Service(work, "--root", root, program=(PUNSTER, "serve")) as service:
        with service.connect() as client:
            expect(client.refused("open", filename=str(PROGRAM)).data["kind"] == "not_allowed", "outside")
            client.call("open", filename="in")
            error = client.refused("sites", match='addr in "list.csv"')
            expect(error.data["kind"] == "bad_expression" and "file" in error.message, error)
            error = client.refused("rewrite", rules=[{"match": "jmp", "action": "count"}], filename="out")
            expect(error.data["where"] == "/params/counters", error)
            client.call("rewrite", rules=[{"match": "jmp", "action": "count"}], filename="out",
                        counters=str(root / "counters"))
            expect(client.call("verify")["proved"], "proven")
            target = os.open(root / "by_number", os.O_RDWR | os.O_CREAT, 0o755)
            client.send_files(target)
            client.call("rewrite", rules=[{"match": "jmp", "action": "empty"}], descriptor=0)
            os.close(target)
        same_output(root / "out")
        same_output(root / "by_number")
        expect(sorted(os.listdir(root)) == ["by_number", "counters", "in", "list.csv", "out"], os.listdir(root))


@covers("option:--listen")
def a_session_that_is_killed_takes_its_backend_along(work):
    with Service(work, program=(PUNSTER, "serve")) as service:
        with service.connect() as client:
            client.call("open", filename="/usr/bin/bash")
            number = client.post("rewrite", rules=[{"action": "empty"}], filename=str(work / "out"))
            client.read()
            pid = service.wait_for("accepted", session=1)["pid"]
            children = run(["pgrep", "-P", str(pid)]).stdout.split()
            expect(len(children) == 1, children)
            os.kill(pid, signal.SIGKILL)
            service.wait_for("crashed", session=1)
            until(lambda: not os.path.exists(f"/proc/{children[0]}"), "the end of the backend")
            expect(number and not (work / "out").exists(), "an output")
        with service.connect() as client:
            client.call("open", filename=str(PROGRAM))


@covers("subcommand:serve", "exit:2")
def wrong_usage(work):
    for options in (["--stdio", "--listen", "unix:x"], ["--listen", "nowhere"], ["--nothing"], ["word"]):
        done = punster("serve", *options, timeout=20)
        expect(done.status == 2 and done.stderr, (options, done))
    expect("--max-sessions" in punster("serve", "--help").stdout, "help")
