"""The backend driven as a service: every method, replies, errors, the dialect."""

import json
import os

from contract import covers, methods_called
from disassembly import instructions
from rewriting import BACKEND, TARGETS, Failure, run
from stream import Client, RpcError, dialect, runs

# A fixed-layout PIE without data in its text; objdump reads it whole.
PROGRAM = TARGETS / "jump_table"


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def jumps():
    return [i for i in instructions(PROGRAM) if i.mnemonic.startswith("j") and i.section == ".text"]


def describe(client, code=("$instr", "$break")):
    client.call("binary", filename=str(PROGRAM), mode="exe")
    client.call("trampoline", name="$body", template=list(code))
    for address, lengths in runs([i for i in instructions(PROGRAM) if i.section == ".text"]):
        client.call("instructions", address=f"{address:#x}", lengths=lengths)


def site_batch(listing):
    deltas = [b.address - a.address for a, b in zip([listing[0]] + listing, listing)]
    return {"address": f"{listing[0].address:#x}", "deltas": deltas}


def same_output(path):
    before, after = run([PROGRAM]), run([path])
    expect((before.status, before.stdout) == (after.status, after.stdout), after)


@covers("method:initialize", "method:binary", "method:trampoline", "method:instructions", "method:patches",
        "method:emit", "method:stats", "method:results", "method:options")
def a_whole_session(work):
    with Client() as client:
        expect(client.hello["protocol_version"] == 1 and client.hello["limits"], client.hello)
        describe(client)
        client.call("options", tactics=["C1", "B1", "B2", "T1", "T2", "T3", "B0"], jobs=2)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        stats = client.call("emit", filename=str(work / "out"))
        expect(stats["sites"] == len(jumps()) == stats["patched"] + stats["trapped"] + stats["failed"], stats)
        expect(client.call("stats")["sites"] == len(jumps()), "stats")
        results = client.call("results", **{"from": 0, "count": 3})
        expect(results["total"] == len(jumps()) and len(results["address"]) == 3, results)
    same_output(work / "out")


@covers("method:plan", "method:explain")
def plan_and_explain_write_nothing(work):
    with Client() as client:
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        planned = client.call("plan")
        expect(planned["sites"] == len(jumps()), planned)
        addresses = [f"{jumps()[0].address:#x}", f"{jumps()[-1].address:#x}"]
        reply = client.call("explain", addresses=addresses)
        expect([e["address"] for e in reply["explanations"]] == addresses, reply)
        expect(all(e["alternatives"] for e in reply["explanations"]), reply)
        emitted = client.call("emit", filename=str(work / "out"))
        expect({k: emitted[k] for k in ("patched", "trapped", "by_tactic")} ==
               {k: planned[k] for k in ("patched", "trapped", "by_tactic")}, (planned, emitted))
        expect(planned["mappings"] >= emitted["mappings"] > 0, (planned, emitted))
    expect(os.listdir(work) == ["out"], os.listdir(work))


@covers("method:instruction", "method:patch")
def single_messages_in_any_order(work):
    with Client() as client:
        client.call("binary", filename=str(PROGRAM))
        client.call("trampoline", name="$t", template=["$instr", "$break"])
        for jump in reversed(jumps()):
            client.call("patch", address=f"{jump.address:#x}", trampoline="$t")
        for i in instructions(PROGRAM):
            if i.section == ".text":
                client.call("instruction", address=f"{i.address:#x}", length=i.size)
        expect(client.call("emit", filename=str(work / "out"))["sites"] == len(jumps()), "sites")
    same_output(work / "out")


@covers("method:reserve", "method:counters", "method:padding")
def reserved_memory_and_counters(work):
    with Client() as client:
        describe(client)
        reply = client.call("counters", path=str(work / "counters"), capacity=16)
        expect(int(reply["address"], 16) % 8 == 0, reply)
        data = client.call("reserve", length=64, protection="rw")
        text = client.call("reserve", bytes="68656c6c6f00", protection="r")
        expect(len({reply["address"], data["address"], text["address"]}) == 3, (reply, data, text))
        nops = [i for i in instructions(PROGRAM) if "nop" in i.text]
        client.call("padding", ranges=[[f"{i.address:#x}", f"{i.address + i.size:#x}"] for i in nops[:1]])


@covers("method:progress")
def progress_is_told(work):
    with Client() as client:
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        client.call("emit", filename=str(work / "out"))
        expect(client.notifications, "no progress notification")
        for note in client.notifications:
            expect(note["method"] == "progress" and note["params"]["done"] <= note["params"]["total"], note)


@covers("method:cancel")
def cancel_stops_a_running_job(work):
    """A large job, cancelled at once: the reply is the error, nothing is written, the session lives on."""
    program = "/usr/bin/git"
    listing = [i for i in instructions(program) if i.section == ".text"]
    with Client() as client:
        client.call("binary", filename=program)
        client.call("trampoline", name="$t", template=["$instr", "$break"])
        for address, lengths in runs(listing):
            for at in range(0, len(lengths), 60000):
                start = address + sum(lengths[:at])
                client.call("instructions", address=f"{start:#x}", lengths=lengths[at:at + 60000])
        for at in range(0, len(listing), 60000):
            client.call("patches", **site_batch(listing[at:at + 60000]), trampoline="$t")
        number = client.post("emit", filename=str(work / "out"))
        methods_called.add("cancel")
        client.send({"jsonrpc": "2.0", "method": "cancel"})
        reply = client.reply()
        expect(reply["id"] == number and "error" in reply, reply)
        expect("cancel" in json.dumps(reply["error"]), reply)
        expect(os.listdir(work) == [], os.listdir(work))
        expect(client.call("stats") is not None, "the session is gone")


@covers("method:binary", "method:patches")
def errors_name_the_place(work):
    with Client() as client:
        error = client.refused("binary", filename=7)
        expect(error.data.get("where") == "/params/filename" and error.code == -32602, error)
        expect(client.refused("nonsense").code == -32601, "unknown method")
        describe(client)
        error = client.refused("patches", address="0x1000", deltas=[0, "x"], trampoline="$body")
        expect(error.data.get("where") == "/params/deltas/1", error)
        error = client.refused("instructions", address="0x1000", lengths=[1, 16])
        expect(error.data.get("where") == "/params/lengths/1", error)
        error = client.refused("trampoline", name="$bad", template=["$instr", {"int8": "x y"}])
        expect(error.data.get("where", "").startswith("/params/template/1"), error)
        client.send("{\"jsonrpc\": \"2.0\", \"id\": 99, ")
        expect(client.reply()["error"]["code"] == -32700, "parse error")
        client.send([{"jsonrpc": "2.0", "id": 5, "method": "stats"}, {"jsonrpc": "2.0", "id": 6, "method": "x"}])
        batch = client.reply() if False else client.read()
        expect(sorted(r["id"] for r in batch) == [5, 6], batch)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        expect(client.call("emit", filename=str(work / "out"))["sites"] == len(jumps()), "lives on after errors")


@covers("method:patches", "method:patch")
def sites_that_may_only_be_traps(work):
    first, *others = jumps()
    with Client() as client:
        describe(client)
        client.call("patches", **site_batch(others), trampoline="$body", trap=True)
        client.call("patch", address=f"{first.address:#x}", trampoline="$body", trap=True)
        error = client.refused("patches", **site_batch(others), replace="90", trap=True)
        expect(error.data["where"] == "/params/trap", error)
        statistics = client.call("emit", filename=str(work / "out"))
        expect(statistics["by_tactic"] == {"B0": len(jumps())}, statistics)
    same_output(work / "out")


@covers("method:patches")
def an_error_at_an_address_names_it(work):
    with Client() as client:
        describe(client)
        inside = jumps()[0].address + 1
        try:
            client.call("patches", address=f"{inside:#x}", deltas=[0], trampoline="$body")
            client.call("plan")
            raise Failure("a site inside an instruction was accepted")
        except RpcError as error:
            expect(f"{inside:#x}" in (error.message + json.dumps(error.data)), error)


@covers("method:dialect")
def the_dialect_of_e9tool(work):
    listing = [i for i in instructions(PROGRAM) if i.section == ".text"]
    stream = dialect(PROGRAM, listing, set(jumps()), work / "out")
    done = run([BACKEND], input_text=stream, cwd=work)
    methods_called.add("dialect")
    expect(done.status == 0 and done.stdout == "", done)
    same_output(work / "out")
    broken = stream.replace('"$empty", "offset"', '"$nosuch", "offset"')
    expect(broken != stream, "nothing was broken")
    done = run([BACKEND], input_text=broken.replace(str(work / "out"), str(work / "never")), cwd=work)
    expect(done.status == 1 and done.stderr and not (work / "never").exists(), done)


@covers("method:trampoline")
def the_template_language(work):
    """bytes, integers of four widths, rel32, strings, labels, nested arrays, macros."""
    payload = [0x90, [0x50, 0x58], {"int8": -1}, {"int16": 1}, {"int32": "0x10"}, {"int64": 5}]
    code = [{"rel8": ".Lover"}, *payload, {"string": "text"}, ".Lover", "$mine", "$instr", "$break"]
    with Client() as client:
        describe(client)
        client.call("trampoline", name="$mine", template=[0x90, None, 0x90])
        client.call("trampoline", name="$long", template=[0xeb, *code])
        client.call("patches", **site_batch(jumps()), trampoline="$long")
        client.call("emit", filename=str(work / "out"))
    same_output(work / "out")
