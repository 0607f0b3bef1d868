"""A client of punster-backend: strict JSON-RPC over pipes, and recorded streams for the dialect."""

import itertools
import json
import subprocess

from contract import methods_called
from rewriting import BACKEND, Failure


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}


class Conversation:
    """One session: `output` takes lines, `input` gives them (both text files)."""

    def __init__(self, output, input, hello=True):
        self.output, self.input = output, input
        self.ids = itertools.count(1)
        self.notifications = []
        if hello:
            self.hello = self.call("initialize", protocol_version=1, client={"name": "test", "version": "1"})

    def how_it_ended(self):
        return "the connection was closed"

    def send(self, message):
        self.output.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        self.output.flush()

    def read(self):
        line = self.input.readline()
        while line == "\n":
            line = self.input.readline()
        if not line:
            raise Failure(f"the backend ended: {self.how_it_ended()}")
        return json.loads(line)

    def reply(self):
        while True:
            message = self.read()
            if "method" not in message:
                return message
            self.notifications.append(message)
            methods_called.add(message["method"])

    def post(self, method, **params):
        methods_called.add(method)
        number = next(self.ids)
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def call(self, method, **params):
        number = self.post(method, **params)
        message = self.reply()
        if message.get("id") != number:
            raise Failure(f"reply to {message.get('id')}, expected {number}: {message}")
        if "error" in message:
            raise RpcError(message["error"])
        return message["result"]

    def refused(self, method, **params):
        """The error of a call that must fail."""
        try:
            result = self.call(method, **params)
        except RpcError as error:
            return error
        raise Failure(f"{method} {params} should have been refused, but gave {result}")


class Client(Conversation):
    """A service as a child process."""

    def __init__(self, hello=True, program=(BACKEND,)):
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        super().__init__(self.process.stdin, self.process.stdout, hello)

    def how_it_ended(self):
        return f"{self.process.wait()} {self.process.stderr.read()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close(), self.process.stderr.close()


def runs(listing):
    """Instructions as contiguous (address, lengths), as the method `instructions` wants them."""
    found, end = [], None
    for i in listing:
        if i.address == end:
            found[-1][1].append(i.size)
        else:
            found.append((i.address, [i.size]))
        end = i.address + i.size
    return found


def dialect(program, listing, sites, output, trampoline="$empty"):
    """The stream that E9Patch's tool writes for these sites: descending, hexadecimal strings, commas."""
    messages = [{"method": "binary", "params": {"version": "1.0.1", "filename": str(program), "mode": "exe"}},
                {"method": "options", "params": {"argv": ["-Ojump-elim=32", "--mem-granularity", "4096"]}},
                {"method": "trampoline", "params": {"name": "$empty", "template": ["$instr", "$break"]}}]
    for i in sorted(listing, key=lambda i: -i.address):
        messages.append({"method": "instruction", "params": {"address": f"0x{i.address:x}", "length": i.size,
                                                             "offset": f"0x{i.address:x}"}})
        if i in sites:
            messages.append({"method": "patch", "params": {"trampoline": trampoline, "offset": f"0x{i.address:x}"}})
    messages.append({"method": "emit", "params": {"filename": str(output), "format": "binary"}})
    lines = []
    for number, message in enumerate(messages):
        text = json.dumps({"jsonrpc": "2.0", **message, "id": number})
        lines.append(text.replace('"]', '",]').replace("}, \"id\"", ",}, \"id\""))
    return "\n".join(lines) + "\n"
