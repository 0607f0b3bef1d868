"""A file that is opened in a service, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from .session import Progress, Session

Texts = Union[str, Sequence[str]]
PAGE = 4096


@dataclass(frozen=True)
class Site:
    """An instruction that an expression matches. `address` and `offset` are of the original file."""
    address: int
    size: int
    bytes: bytes
    asm: str
    symbol: Optional[str]
    section: Optional[str]
    offset: Optional[int]


@dataclass(frozen=True)
class SiteResult:
    """What became of a site: `result` is "patched", "trapped" or "failed", and `reason` says why not."""
    address: int
    result: str
    tactic: str
    means: Tuple[str, ...]
    trampoline: Optional[int]
    evicted: Tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Report:
    """What a rewriting did. `statistics` holds all figures that PROTOCOL.md lists."""
    output: Optional[str]
    counters: Optional[str]
    statistics: Mapping[str, Any] = field(repr=False)

    @property
    def sites(self) -> int:
        return int(self.statistics["sites"])

    @property
    def patched(self) -> int:
        return int(self.statistics["patched"])

    @property
    def trapped(self) -> int:
        return int(self.statistics["trapped"])

    @property
    def failed(self) -> int:
        return int(self.statistics["failed"])


def _texts(value: Optional[Texts]) -> List[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _address(text: Optional[str]) -> Optional[int]:
    return None if text is None else int(text, 16)


class Binary:
    """An opened file; made by punster.open()."""

    def __init__(self, session: Session, path: Optional[str], info: Mapping[str, Any]) -> None:
        self.session = session
        self.path = path
        #: kind, build_id, sha256, and how many bytes of .text are code, data, padding or in doubt.
        self.info = info

    def __enter__(self) -> "Binary":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.session.close()

    def cancel(self) -> None:
        """Ends a running patch(), plan(), sites() or explain() of another thread; it raises Cancelled."""
        self.session.cancel()

    def sites(self, match: Texts = "true", syntax: str = "att") -> Iterator[Site]:
        """The instructions that all of `match` select, in address order."""
        start = 0
        while True:
            page = self.session.call("sites", match=_texts(match), syntax=syntax, **{"from": start, "count": PAGE})
            for row in zip(*(page[c] for c in ("address", "size", "bytes", "asm", "symbol", "section", "offset"))):
                address, size, data, asm, symbol, section, offset = row
                yield Site(int(address, 16), size, bytes.fromhex(data), asm, symbol, section, _address(offset))
            start += len(page["address"])
            if start >= page["total"] or not page["address"]:
                return

    def patch(self, match: Optional[Texts] = None, action: Optional[Texts] = None,
              output: Union[str, int, None] = None, *, rules: Sequence[Tuple[Texts, Texts]] = (),
              counters: Optional[str] = None, syntax: str = "att", progress: Optional[Progress] = None,
              **options: Any) -> Report:
        """Writes `output`, a path or, over a socket, an open descriptor: this file with `action` wherever
        `match` holds, or with several `rules` of (match, action). `options` are those of the method
        `options` (tactics=[..], traps=False, max_mappings=..). Without an output nothing is written: see
        plan(). Sites that could not be patched are no error; ask the report."""
        params: Dict[str, Any] = {"rules": [{"match": _texts(m), "action": _texts(a)} for m, a in rules]}
        if action is not None:
            params["rules"].append({"match": _texts(match), "action": _texts(action)})
        if isinstance(output, int):
            params["descriptor"] = self.session.send_file(output)
        elif output is not None:
            params["filename"] = output
        if counters is not None:
            params["counters"] = counters
        self.session.progress = progress
        try:
            reply = self.session.call("rewrite", syntax=syntax, options=options, **params)
        finally:
            self.session.progress = None
        return Report(output if isinstance(output, str) else None, reply.get("counters"), reply["statistics"])

    def plan(self, match: Optional[Texts] = None, action: Texts = "empty", **options: Any) -> Report:
        """What patch() would do, without writing."""
        return self.patch(match, action, None, **options)

    def results(self) -> Iterator[SiteResult]:
        """What became of each site of the last patch() or plan(), in address order."""
        start = 0
        while True:
            page = self.session.call("results", **{"from": start, "count": PAGE})
            columns = ("address", "result", "tactic", "means", "trampoline", "evicted", "reason")
            for address, result, tactic, means, body, evicted, reason in zip(*(page[c] for c in columns)):
                yield SiteResult(int(address, 16), result, tactic, tuple(means), _address(body),
                                 tuple(int(e, 16) for e in evicted), reason)
            start += len(page["address"])
            if start >= page["total"] or not page["address"]:
                return

    def explain(self, *addresses: int) -> List[Mapping[str, Any]]:
        """Why each site got its tactic in the last patch() or plan(), and what ruled out the others."""
        reply = self.session.call("explain", addresses=[f"{a:#x}" for a in addresses])
        explanations: List[Mapping[str, Any]] = reply["explanations"]
        return explanations

    def verify(self, patched: Optional[str] = None) -> Mapping[str, Any]:
        """Proves, without running it, that the file `patched` (by default the last output) does what this
        one does at every patched site: {"proven": .., "failures": [..]}."""
        return self.session.call("verify", **({} if patched is None else {"filename": patched}))
