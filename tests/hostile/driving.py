"""A corridor that hostile documents are driven through, and everything that must hold of what comes out."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select

from receiver.fields import field_table
from receiver.store.pushes import Outcome
from receiver.store.tables import build_tables
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import confirmation

from .expecting import wrong_reply

# A reply is slow when it takes more seconds than this, as many times in a row: machines have other things to do.
SLOW = 1.0
TIMES = 3
TOO_SLOW = f"took more than {SLOW:.0f} s"
_FAULTS = frozenset({"push_failed", "push_not_stored", "record_not_judged"})
_FORGET_AFTER = 2_000
# What a process reads of itself while it works: modules that are imported late, and time zones.
_OWN = (sys.prefix, sys.base_prefix, "/usr/share/zoneinfo", str(Path(__file__).parents[2]), "/proc/self/")


@dataclass
class Watch:
    """What happens while it is on: our own faults being logged, files opened, connections made."""

    on: bool = False
    allowed: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            self.seen.append(f"{event} {arguments[1:] if event != 'socket.getaddrinfo' else arguments[:2]}")
        elif event in ("open", "os.open", "subprocess.Popen", "os.system", "os.exec", "ctypes.dlopen"):
            path = str(arguments[0])
            if not path.startswith((*_OWN, *self.allowed)):
                self.seen.append(f"{event} {path}")

    def log(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("event") in _FAULTS:
            self.seen.append(" ".join(str(event.get(k, "")) for k in ("event", "error", "where", "detail")).strip())
        raise structlog.DropEvent


@dataclass(frozen=True)
class Found:
    """Something that must not be, and the document that did it."""

    what: str
    body: bytes


class Driver:
    """Drives documents through one corridor; ``findings``: what must not have happened, with the shortest that did."""

    def __init__(self, found: Corridor, watch: Watch) -> None:
        self._corridor, self._watch = found, watch
        self._tables = build_tables(field_table())
        self.documents = 0
        self.findings: dict[str, bytes] = {}
        self.slowest = 0.0
        self.slow = 0
        self.outcomes: dict[str, int] = {}

    def drive(self, body: bytes) -> list[str]:
        """Everything wrong with how this one document was taken."""
        for _ in range(TIMES):
            seconds, wrong = self._once(body)
            if seconds <= SLOW:
                break
            self.slow += 1
            # One that has read it before need not read it again.
            self._corridor = Corridor(self._corridor.store, self._corridor.source)
        else:
            wrong.append(TOO_SLOW)
        for what in wrong:
            self.findings[what] = min(self.findings.get(what, body), body, key=len)
        return wrong

    def _once(self, body: bytes) -> tuple[float, list[str]]:
        watch = self._watch
        watch.seen.clear()
        watch.on = True
        started = time.perf_counter()
        try:
            receipt = self._corridor.push(body)
        except Exception as error:  # noqa: BLE001 - what is looked for
            return 0.0, [f"raised {type(error).__name__}: {error}"]
        finally:
            seconds = time.perf_counter() - started
            watch.on = False
        wrong = list(watch.seen)
        self._note(body, seconds, receipt.outcome)
        if receipt.outcome is Outcome.FAILED:
            wrong.append("failed")
        wrong += wrong_reply(body, receipt.reply.status, receipt.reply.content_type, receipt.reply.body)
        wrong += self._wrong_body(receipt.push_id, body)
        if self.documents % _FORGET_AFTER == 0:
            self.forget()
        return seconds, wrong

    def _note(self, body: bytes, seconds: float, outcome: Outcome) -> None:
        self.documents += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.slowest = max(self.slowest, seconds)

    def _wrong_body(self, push_id: str | None, body: bytes) -> Iterator[str]:
        bodies = self._tables.metadata.tables["push_bodies"]
        with self._corridor.store.reading() as connection:
            kept = connection.scalar(select(bodies.c.body).where(bodies.c.push_id == push_id))
        if kept is None or bytes(kept) != body:
            yield "the stored body is not what was sent"

    def forget(self) -> None:
        """Delete every row: what is looked for here does not come from much being stored."""
        with self._corridor.store.transaction() as connection:
            for table in reversed(self._tables.metadata.sorted_tables):
                connection.execute(table.delete())


_watch = Watch()


@contextmanager
def driver(url: str) -> Iterator[Driver]:
    """A driver of a corridor on the database at ``url``, warmed up: what is opened once has been."""
    with ExitStack() as stack:
        made = Driver(stack.enter_context(corridor(url)), watching(url))
        of_each = [f"<{kind.root}/>" for kind in field_table().kinds.values()]
        for body in (confirmation(), "<x", "<!DOCTYPE a><a/>", *of_each):
            made.drive(body.encode())
        made.findings.clear()  # the library that explains is loaded for the first invalid record, and reads its files
        made.documents, made.slow, made.slowest, made.outcomes = 0, 0, 0.0, {}
        yield made


def watching(url: str) -> Watch:
    """The process's one watch, told that the database may be worked with. An audit hook cannot be taken back."""
    if not _watch.allowed:
        sys.addaudithook(_watch.audit)
        structlog.configure(processors=[_watch.log], cache_logger_on_first_use=False)
    if url.startswith("sqlite"):
        _watch.allowed = (*_watch.allowed, url.partition("sqlite:///")[2])
    _watch.allowed = _watch.allowed or ("-",)
    return _watch


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
