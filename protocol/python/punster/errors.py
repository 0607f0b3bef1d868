"""What can go wrong, as one family: `except punster.PunsterError` catches all of it."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Type


class PunsterError(Exception):
    """A failure. `kind` is stable and meant for programs, `message` one sentence for people, `where` a JSON
    pointer into the request, `address` a link-time address of the original file; the last two may be None."""

    def __init__(self, kind: str, message: str, where: Optional[str] = None,
                 address: Optional[int] = None, code: int = -32000) -> None:
        super().__init__(message)
        self.kind, self.message, self.where, self.address, self.code = kind, message, where, address, code

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        return f"{self.message}{place} [{self.kind}]"


class RequestError(PunsterError):
    """The request is wrong: an expression, an action, an option, a template, a method."""


class FileError(PunsterError):
    """The input cannot be used, or the output cannot be written."""


class NoMatch(PunsterError):
    """The expressions match no instruction."""


class Cancelled(PunsterError):
    """cancel() was called, or a progress callback returned False."""


class ServiceError(PunsterError):
    """The service is gone, busy, out of memory or time, or speaks another version. Worth another try."""


_KINDS: Mapping[str, Type[PunsterError]] = {
    **dict.fromkeys(("bad_request", "bad_template", "bad_expression", "bad_action", "usage", "unknown_method",
                     "invalid_request", "unknown_trampoline", "unknown_instruction", "duplicate_site",
                     "overlap", "not_code"), RequestError),
    **dict.fromkeys(("unreadable", "not_elf", "malformed", "unwritable", "disk_full", "already_rewritten",
                     "not_allowed", "no_descriptor", "too_large", "no_hook"), FileError),
    **dict.fromkeys(("disconnected", "busy", "out_of_memory", "out_of_time", "idle", "unsupported_version",
                     "backend_died", "no_backend", "no_program"), ServiceError),
    "no_match": NoMatch,
    "cancelled": Cancelled,
}


def from_reply(error: Mapping[str, Any]) -> PunsterError:
    """The exception for the `error` member of a reply."""
    data = error.get("data") or {}
    kind = data.get("kind", "internal")
    address = data.get("address")
    return _KINDS.get(kind, PunsterError)(
        kind, error.get("message", "the service refused without saying why"), data.get("where"),
        int(address, 16) if isinstance(address, str) else None, error.get("code", -32000))
