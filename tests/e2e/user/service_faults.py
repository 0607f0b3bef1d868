"""What clients and sessions do wrong, and what becomes of the others: nothing."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

from contract import covers
from disassembly import instructions
from protocol import PROGRAM, describe, expect, jumps, same_output, site_batch
from service import Service, until
from stream import runs


@contextmanager
def beside_a_good_session(work, *options):
    """A session is half through when things go wrong beside it, and then does its work; afterwards nothing
    may be left anywhere."""
    outputs = work / "outputs"
    outputs.mkdir()
    shared = set(os.listdir("/dev/shm"))
    with Service(work, *options) as service:
        with service.connect() as good:
            describe(good)
            yield service, outputs
            good.call("patches", **site_batch(jumps()), trampoline="$body")
            good.call("emit", filename=str(work / "good"))
        until(lambda: len(service.log("accepted")) == len(service.log("ended") + service.log("crashed")),
              "every session's end")
        expect(os.listdir(outputs) == [], f"left in the output folder: {os.listdir(outputs)}")
        expect(os.listdir(service.scratch) == [], "left in the temporary folder")
        expect(set(os.listdir("/dev/shm")) <= shared, "left in shared memory")
    same_output(work / "good")


def conversation(output):
    messages = [("initialize", {"protocol_version": 1}), ("binary", {"filename": str(PROGRAM)}),
                ("trampoline", {"name": "$body", "template": ["$instr", "$break"]})]
    for address, lengths in runs([i for i in instructions(PROGRAM) if i.section == ".text"]):
        messages.append(("instructions", {"address": f"{address:#x}", "lengths": lengths}))
    messages.append(("patches", {**site_batch(jumps()), "trampoline": "$body"}))
    messages += [("plan", {}), ("emit", {"filename": str(output)})]
    return [json.dumps({"jsonrpc": "2.0", "id": k, "method": m, "params": p}) + "\n"
            for k, (m, p) in enumerate(messages)]


@covers("option:--listen")
def clients_killed_at_every_message_boundary(work):
    with beside_a_good_session(work) as (service, outputs):
        lines = conversation(outputs / "out")
        for count in range(len(lines)):      # not the whole: that would be an output
            client = service.connect(hello=False)
            client.socket.sendall("".join(lines[:count]).encode())
            client.close()
        for cut in (1, 10, len(lines[1]) - 2):  # half a message
            client = service.connect()
            client.socket.sendall(lines[1][:cut].encode())
            client.close()


@covers("option:--listen")
def a_message_dribbled_byte_by_byte(work):
    with beside_a_good_session(work) as (service, outputs):
        with service.connect(hello=False) as client:
            for byte in "".join(conversation(work / "dribbled")[:6]).encode():
                client.socket.send(bytes([byte]))
            expect([client.reply()["id"] for _ in range(6)] == list(range(6)), "all were answered")


def huge_line(client, size):
    piece = b" " * (1 << 20)
    client.socket.sendall(b"[")
    for _ in range(size >> 20):
        client.socket.sendall(piece)
    client.socket.sendall(b"]\n")


SLOW = "PUNSTER_SLOW" in os.environ


@covers("option:--memory")
def lines_that_are_no_messages(work):
    faults = {
        "too_long": None,
        "deep": "[" * 100000 + "]" * 100000,
        "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}',
        "zero bytes": b"\0\0\0",
        "beyond doubles": '{"jsonrpc":"2.0","id":1,"method":"patches","params":{"address":1e999,"deltas":[0]}}',
    }
    with beside_a_good_session(work, "--memory", 512) as (service, outputs):
        for name, line in faults.items():
            with service.connect() as client:
                if line is None:
                    huge_line(client, (2 << 30) if SLOW else (80 << 20))
                else:
                    client.socket.sendall((line if isinstance(line, bytes) else line.encode()) + b"\n")
                error = client.reply()["error"]
                expect(error["code"] == -32700, (name, error))
                client.call("binary", filename=str(PROGRAM))


@covers("method:instructions")
def numbers_out_of_range(work):
    big = [-1, 0, 16, 256, 1 << 31, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1.5, 1e308]
    with beside_a_good_session(work) as (service, outputs), service.connect() as client:
        client.call("binary", filename=str(PROGRAM))
        for n in big:
            client.refused("instructions", address=n, lengths=[5] if n != 0 else [0])
            client.refused("instructions", address="0x1000", lengths=[n])
            client.refused("patches", address="0x1000", deltas=[n], trampoline="$none", columns={"$a": []})
            client.refused("reserve", length=n if n not in (16, 256) else -1, protection="rwx")
            client.refused("counters", path="relative", capacity=n)
            client.refused("initialize", protocol_version=n if n in (-1, 0, 1.5, 1e308) else "1")


@covers("option:--listen")
def a_session_that_crashes(work):
    with beside_a_good_session(work) as (service, outputs):
        client = service.connect()
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        pid = service.wait_for("accepted", session=2)["pid"]
        os.kill(pid, signal.SIGSTOP)
        client.post("emit", filename=str(outputs / "out"))
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        event = service.wait_for("crashed", session=2)
        expect(event["signal"] == signal.SIGSEGV and event["level"] == "error", event)
        client.rest(), client.close()


@covers("option:--cpu-seconds")
def a_session_that_does_not_end(work):
    with beside_a_good_session(work, "--cpu-seconds", 1) as (service, outputs):
        client = service.connect()
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        kinds = []
        while not kinds:
            client.post("options", lookahead=5)
            client.post("plan")
            kinds = [r["error"]["data"]["kind"] for r in (client.reply(), client.reply()) if "error" in r]
        expect(kinds[0] in ("out_of_time", "cancelled"), kinds)
        service.wait_for("out_of_time", session=2)
        service.wait_for("ended", session=2, status=130)
        client.close()


@covers("option:--memory")
def a_session_that_eats_memory(work):
    with beside_a_good_session(work, "--memory", 128) as (service, outputs):
        with service.connect() as client:
            try:
                client.socket.sendall(b"[" + b"1," * (30 << 20) + b"1]\n")
            except BrokenPipeError:
                pass  # it did not read to the end
            reply = client.rest()
            expect(reply[-1]["error"]["data"]["kind"] == "out_of_memory", reply)
        service.wait_for("ended", session=2, status=1)


@covers("option:--idle-seconds")
def clients_that_say_nothing_or_do_not_read(work):
    with Service(work, "--idle-seconds", 1) as service:
        with service.connect(hello=False) as silent, service.connect() as silent_later:
            for client in (silent, silent_later):
                expect([r["error"]["data"]["kind"] for r in client.rest()] == ["idle"], "told why")
        deaf = service.connect()
        describe(deaf)
        deaf.call("plan")
        try:
            while True:
                deaf.socket.sendall(b'{"jsonrpc":"2.0","id":9,"method":"stats"}\n')
        except ConnectionError:
            pass  # the answers filled the socket, then our requests did
        deaf.close()
        ended = service.wait_for("ended", session=3)
        expect(ended["status"] == 130 and len(service.log("idle")) == 3, service.log())


@covers("option:--output-size")
def an_output_that_grows_too_large(work):
    with beside_a_good_session(work, "--output-size", 1) as (service, outputs), service.connect() as client:
        client.call("binary", filename="/usr/bin/bash")
        error = client.refused("emit", filename=str(outputs / "out"))
        expect(error.data["kind"] == "too_large", error)


@covers("option:--open-files")
def descriptors_by_the_hundred(work):
    with beside_a_good_session(work, "--open-files", 32) as (service, outputs), service.connect() as client:
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(100):
            client.send_files(null, null)
        client.call("binary", filename=str(PROGRAM))
        error = client.refused("emit", descriptor=3)
        expect(error.data["kind"] == "unwritable", error)
        os.close(null)
