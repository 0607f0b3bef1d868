"""JSON-RPC 2.0 with a service: a child process, or a Unix socket. Every method of PROTOCOL.md is
`session.call("method", name=value)`."""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import subprocess
import threading
from typing import Any, Callable, Dict, IO, List, Optional, Sequence

from .errors import PunsterError, ServiceError, from_reply

PROTOCOL_VERSION = 1
# Requests without an answer yet: more, and both sides could wait for each other with full pipes.
WINDOW = 64

#: Called as (phase, done, total); what it returns is ignored, unless it is False: that cancels.
Progress = Callable[[str, int, int], Optional[bool]]


def find_program(program: Optional[str] = None) -> str:
    """`program`, else $PUNSTER, else `punster` on the PATH."""
    found = shutil.which(program or os.environ.get("PUNSTER") or "punster")
    if not found:
        raise ServiceError("no_program", "cannot find punster: put it on the PATH, or its path into $PUNSTER")
    return found


class Session:
    """One connection. Not for several threads at once, except cancel()."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], process: Optional["subprocess.Popen[bytes]"] = None,
                 connection: Optional[socket.socket] = None) -> None:
        self._reader, self._writer = reader, writer
        self._process, self._connection = process, connection
        self._write_lock = threading.Lock()
        self._next_id = 1
        self._posted: List[int] = []
        self._sent_files = 0
        self.progress: Optional[Progress] = None
        try:
            self.server: Dict[str, Any] = self.call(
                "initialize", protocol_version=PROTOCOL_VERSION, client={"name": "punster-python", "version": "0.1.0"})
        except BaseException:
            self.close()
            raise

    @classmethod
    def start(cls, program: Optional[str] = None, arguments: Sequence[str] = ("serve", "--stdio")) -> "Session":
        """Starts a program of its own; it ends with the session."""
        process = subprocess.Popen([find_program(program), *arguments], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        return cls(process.stdout, process.stdin, process)

    @classmethod
    def connect(cls, path: str) -> "Session":
        """Connects to a service that listens on the Unix socket `path` ("unix:" in front is fine)."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path[5:] if path.startswith("unix:") else path)
        except OSError as error:
            connection.close()
            raise ServiceError("disconnected", f"{path}: {error.strerror}") from error
        stream = connection.makefile("rwb")
        return cls(stream, stream, connection=connection)  # type: ignore[arg-type]

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session; what runs in it is cancelled. May be called again."""
        for stream in (self._writer, self._reader):
            try:
                stream.close()
            except OSError:
                pass
        if self._connection:
            self._connection.close()
        if self._process:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def call(self, method: str, **params: Any) -> Dict[str, Any]:
        """Sends a request and waits for its answer. Raises PunsterError, also for earlier post()s."""
        number = self._request(method, params)
        failed: Optional[PunsterError] = None
        while self._posted:
            try:
                self._await(self._posted.pop(0))
            except ServiceError:
                raise
            except PunsterError as error:
                failed = failed or error
        result = self._await(number)
        if failed:
            raise failed
        return result

    def post(self, method: str, **params: Any) -> None:
        """Sends a request without waiting; its error is raised by a later post() or call()."""
        if len(self._posted) >= WINDOW:
            self._await(self._posted.pop(0))
        self._posted.append(self._request(method, params))

    def cancel(self) -> None:
        """Ends what runs and was asked before; it raises Cancelled. From any thread."""
        self._send({"jsonrpc": "2.0", "method": "cancel"})

    def send_file(self, descriptor: int) -> int:
        """Sends an open file along a socket; requests name it by the number returned. The caller keeps and
        closes its own."""
        if not self._connection:
            raise PunsterError("no_descriptor", "descriptors are sent over a Unix socket only")
        with self._write_lock:
            self._writer.flush()
            self._connection.sendmsg([b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                array.array("i", [descriptor]))])
        self._sent_files += 1
        return self._sent_files - 1

    def _request(self, method: str, params: Dict[str, Any]) -> int:
        number = self._next_id
        self._next_id += 1
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def _send(self, message: Dict[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            with self._write_lock:
                self._writer.write(line)
                self._writer.flush()
        except (OSError, ValueError) as error:
            raise self._gone() from error

    def _gone(self) -> PunsterError:
        # What the service said last is worth more than "it went away".
        try:
            for line in self._reader:
                message = json.loads(line) if line.strip() else {}
                if "error" in message and message.get("id") is None:
                    return from_reply(message["error"])
        except (OSError, ValueError):
            pass
        return ServiceError("disconnected", "the service ended before it answered")

    def _await(self, number: int) -> Dict[str, Any]:
        for line in self._reader:
            if not line.strip():
                continue
            message = json.loads(line)
            if "method" in message:
                self._notified(message)
            elif message.get("id") == number or ("error" in message and message.get("id") is None):
                if "error" in message:
                    raise from_reply(message["error"])
                result: Dict[str, Any] = message["result"]
                return result
        raise self._gone()

    def _notified(self, message: Dict[str, Any]) -> None:
        params = message.get("params") or {}
        if message["method"] == "progress" and self.progress:
            if self.progress(params["phase"], params["done"], params["total"]) is False:
                self.cancel()
