"""One process of the campaign: makes documents by chance, drives them, and tells what it found."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any

from tests.support.inbox import bytes_of
from tests.support.receiver import Receiver

from .driving import SLOW, TIMES, Driver, driver, resident
from .expecting import wrong_reply
from .mutators import mutated
from .seeds import seeds

SEEDS = 400
_OF_POSTGRES, _OVER_HTTP = 0.05, 0.02
_WARM_UP = 10_000
_BETWEEN_REPORTS = 1.0
_MOST_TRIES = 400


@dataclass(frozen=True)
class Job:
    """What one process does: ``seed`` decides every document. Without URLs that way is left out."""

    name: str
    seed: int
    sqlite_url: str
    postgres_url: str | None
    receiver: Receiver | None


@dataclass
class Progress:
    """How far a process is. ``growth`` is in bytes since it had warmed up; seconds are those of the slowest reply."""

    name: str
    documents: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    growth: int | None = None
    findings: list[tuple[str, bytes]] = field(default_factory=list)


def minimised(body: bytes, still: Callable[[bytes], bool]) -> bytes:
    """A shorter document that does the same, as short as a bounded number of tries makes it."""
    tries, step = 0, max(1, len(body) // 2)
    while step and tries < _MOST_TRIES:
        at, shorter = 0, False
        while at < len(body) and tries < _MOST_TRIES:
            candidate = body[:at] + body[at + step :]
            tries += 1
            if still(candidate):
                body, shorter = candidate, True
            else:
                at += step
        step = step if shorter else step // 2
    return body


def smallest(what: str, body: bytes, way: Callable[[bytes], list[str]]) -> bytes:
    """The document made shorter; what is slow stays as it is."""
    return body if what.startswith("took") else minimised(body, lambda b: what in way(b))


def over_http(receiver: Receiver, body: bytes) -> list[str]:
    """Everything wrong with how a real server answered the document."""
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = receiver.push(body)
        seconds = time.perf_counter() - started
        if seconds <= SLOW:
            break
    wrong = ["took more than 1 s over HTTP"] if seconds > SLOW else []
    wrong += wrong_reply(body, answer.status, answer.headers.get("content-type", ""), answer.body)
    if answer.push_id is None or bytes_of(receiver, answer) != body:
        wrong.append("the stored body is not what was sent over HTTP")
    return wrong


class _Worker:
    def __init__(self, job: Job, ways: dict[str, Callable[[bytes], list[str]]], drivers: list[Driver]) -> None:
        self._job, self._ways, self._drivers = job, ways, drivers
        self._chance = Random(job.seed)
        self._seeds = seeds(SEEDS, job.seed)
        self._told: set[str] = set()
        self._found: dict[str, bytes] = {}
        self._warm: int | None = None
        self.progress = Progress(job.name)

    def one(self) -> None:
        chance = self._chance
        body = mutated(chance.choice(self._seeds), chance.choice(self._seeds), chance)
        number, way = chance.random(), "sqlite"
        if number < _OF_POSTGRES and "postgresql" in self._ways:
            way = "postgresql"
        elif number > 1 - _OVER_HTTP and "http" in self._ways:
            way = "http"
        counts = self.progress.documents
        counts[way] = counts.get(way, 0) + 1
        for what in self._ways[way](body):
            self._tell(what, body, self._ways[way])
        if self._warm is None and sum(counts.values()) >= _WARM_UP:
            self._warm = resident()

    def _tell(self, what: str, body: bytes, way: Callable[[bytes], list[str]]) -> None:
        if what not in self._told:
            self._told.add(what)
            self._found[what] = smallest(what, body, way)

    def now(self) -> dict[str, Any]:
        for d in self._drivers:
            self.progress.slowest = max(self.progress.slowest, d.slowest)
            for outcome, count in d.outcomes.items():
                self.progress.outcomes[outcome] = self.progress.outcomes.get(outcome, 0) + count
            d.outcomes.clear()
        found = {**self._found, **{w: b for d in self._drivers for w, b in d.findings.items()}}
        self.progress.findings = list(found.items())
        if self._warm is not None:
            self.progress.growth = resident() - self._warm
        return asdict(self.progress)


def work(job: Job, reports: Queue[dict[str, Any]], stop: Event) -> None:
    """Drive documents until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which tells this process to stop
    with ExitStack() as stack:
        drivers = [stack.enter_context(driver(job.sqlite_url))]
        ways: dict[str, Callable[[bytes], list[str]]] = {"sqlite": drivers[0].drive}
        if job.postgres_url is not None:
            drivers.append(stack.enter_context(driver(job.postgres_url)))
            ways["postgresql"] = drivers[1].drive
        if (receiver := job.receiver) is not None:
            ways["http"] = lambda body: over_http(receiver, body)
        worker, last = _Worker(job, ways, drivers), time.monotonic()
        while not stop.is_set():
            worker.one()
            if time.monotonic() - last > _BETWEEN_REPORTS:
                last = time.monotonic()
                reports.put(worker.now())
        reports.put({**worker.now(), "ended": True})


def database_file(folder: Path, name: str) -> str:
    """An SQLite database of that name; in memory where the machine has such a folder."""
    return f"sqlite:///{folder / f'{name}.db'}"
