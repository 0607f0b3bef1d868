"""A listening service under test, and clients of its socket."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import rewriting
from rewriting import BACKEND, Failure
from stream import Conversation


class Service:
    """`punster-backend --listen`, or another program of ours that listens, in a folder of its own."""

    def __init__(self, work, *options, program=(BACKEND,)):
        self.path = Path(work) / "socket"
        self.log_file = Path(work) / "service.log"
        self.scratch = Path(work) / "scratch"
        self.scratch.mkdir(exist_ok=True)
        arguments = [*program[1:], "--listen", f"unix:{self.path}", *map(str, options)]
        environment = {**os.environ, "TMPDIR": str(self.scratch)}
        with open(self.log_file, "w") as log:
            self.process = subprocess.Popen([program[0], *arguments], stdin=subprocess.DEVNULL, stderr=log,
                                            env=environment)
        self.arguments = arguments
        until(lambda: self.process.poll() is not None or "listening" in self.log_file.read_text(), "a service")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def connect(self, hello=True, **how):
        return SocketClient(self.path, hello, **how)

    def log(self, event=None):
        events = []
        for line in self.log_file.read_text().splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                events.append({"event": "text", "message": line})
        return [e for e in events if event in (None, e["event"])]

    def wait_for(self, event, **fields):
        def found():
            return [e for e in self.log(event) if all(e.get(k) == v for k, v in fields.items())]
        until(found, f"{event} {fields} in the log")
        return found()[-1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the service did not stop within a minute of SIGTERM") from None
        rewriting.calls.append((self.arguments, status))
        if self.path.exists():
            raise Failure("the socket is still there after the service ended")
        return status


def until(holds, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)
    return found


class SocketClient(Conversation):
    def __init__(self, path, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(str(path))
        stream = self.socket.makefile("rw", newline="\n")
        super().__init__(stream, stream, hello)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.output.close()
        self.socket.close()

    def send_files(self, *descriptors):
        """With a blank line, which means nothing: they need a byte to travel with."""
        socket.send_fds(self.socket, [b"\n"], descriptors)

    def end_of_requests(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """All messages up to the end of the connection."""
        messages = []
        try:
            while line := self.input.readline():
                if line.strip():
                    messages.append(json.loads(line))
        except ConnectionResetError:
            pass  # the end of a session that did not read all we sent
        return messages
