"""Turns: each contender is measured for a few seconds while the others are idle, round after round, in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from . import load, reading
from .contenders import Contender
from .documents import Form, Requests
from .load import Load, LoadFailed

_TICKS = os.sysconf("SC_CLK_TCK")
_FIRST_GUESS = 4000.0
_SPARE = 1.6
_FEWEST = 64
_NUMBERS_APART = 10_000_000


@dataclass(frozen=True)
class Leg:
    """One thing measured of one contender: so many clients, sending so, new confirmations or stored ones again.

    ``each``: the rows that one push leaves behind.
    """

    name: str
    contender: Contender
    each: Mapping[str, int]
    form: Form = Form.AS_SENT
    clients: int = 16
    again: bool = False

    @property
    def must_say(self) -> bytes:
        """What each reply must hold: that it was stored, and since when where it was stored before."""
        return b"errorMsg" if self.again else b"success"


@dataclass(frozen=True)
class Turn:
    """One leg in one round: the load, and what it took of the server's and the database's processors (seconds)."""

    load: Load
    server_cpu: float
    database_cpu: float
    wal_bytes: int


class Rounds:
    """Runs legs in turns. ``database``: the first process of the cluster; ``wal``: bytes of WAL there are."""

    def __init__(self, seconds: float, database: int, wal: Callable[[], int]) -> None:
        self._seconds, self._database, self._wal = seconds, database, wal
        self._numbers: dict[str, count[int]] = {}
        self._rates: dict[str, float] = {}
        self._stored: dict[str, tuple[int, int]] = {}

    def warm_up(self, legs: Sequence[Leg]) -> None:
        """A turn of each leg that counts for nothing; those that send again come after what they repeat."""
        for leg in sorted(legs, key=lambda found: found.again):
            for _ in range(leg.contender.warm_ups):
                self.turn(leg, self._seconds)

    def round(self, legs: Sequence[Leg]) -> dict[str, Turn]:
        """A turn of each leg, in the order given."""
        return {leg.name: self.turn(leg, self._seconds) for leg in legs}

    def turn(self, leg: Leg, seconds: float) -> Turn:
        """Measure one leg. Raises LoadFailed and RowsMissing where a contender does not do what it is measured for."""
        contender = leg.contender
        requests = self._requests(leg, seconds)
        before = contender.rows()
        server, database, wal = cpu_of(contender.pid), cpu_of(self._database), self._wal()
        try:
            found = load.run(contender.port, requests, leg.clients, seconds, leg.must_say)
        except LoadFailed as error:
            raise LoadFailed(f"{leg.name}: {error}\nIts log ends: {contender.last_words()}") from None
        turn = Turn(found, cpu_of(contender.pid) - server, cpu_of(self._database) - database, self._wal() - wal)
        contender.rows().check(before, found.pushes, leg.each, leg.name)
        self._rates[leg.name] = found.rate
        if not leg.again:
            first, _ = self._stored[contender.name]
            self._stored[contender.name] = first, found.pushes
        return turn

    def _requests(self, leg: Leg, seconds: float) -> list[bytes]:
        """More than can be answered in that time, rendered now."""
        rate = self._rates.get(leg.name, _FIRST_GUESS)
        wanted = max(_FEWEST, int(rate * seconds * _SPARE))
        contender = leg.contender
        requests = Requests(leg.form, contender.port, contender.path)
        if leg.again:
            first, stored = self._stored[contender.name]
            known = requests.render(first, stored)
            return (known * (wanted // stored + 1))[:wanted]
        numbers = self._numbers.setdefault(contender.name, count(_NUMBERS_APART, _NUMBERS_APART // 100))
        first = next(numbers)
        self._stored[contender.name] = first, 0
        return requests.render(first, min(wanted, _NUMBERS_APART // 100))


def cpu_of(pid: int) -> float:
    """Seconds of processors that a process, those it has started and those of them that have ended have used."""
    used: dict[int, int] = {}
    started: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        number = int(stat.parent.name)
        used[number] = sum(int(field) for field in fields[11:15])
        started.setdefault(int(fields[1]), []).append(number)
    total, waiting = 0, [pid]
    while waiting:
        number = waiting.pop()
        total += used.get(number, 0)
        waiting += started.get(number, ())
    return total / _TICKS


NEW = reading.NEW_PUSH
DUPLICATE = reading.DUPLICATE
FLOOR = reading.FLOOR
