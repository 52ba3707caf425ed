"""Things that go wrong on the way, on demand and repeatably."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .activity import ActivityRow
from .chance import chance
from .damage import Damage

_LEFT_FOR_LATER = 0.4


@dataclass(frozen=True)
class Faults:
    """Shares, from 0 to 1: of requests sent twice, of connections dropped before the reply is read, of records broken.

    ``reorder``: rows of a run are shuffled, and some are left for a later run; so are second deliveries.
    """

    duplicates: float = 0.0
    reorder: bool = False
    drop: float = 0.0
    damage: float = 0.0


class Listening(Enum):
    """How long the sender stays for the reply."""

    FOR_REPLY = auto()
    UNTIL_ANSWERED = auto()
    NOT_AT_ALL = auto()


class Mischief:
    """Decides, request by request and row by row, what goes wrong; the same for the same seed and order of asking."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._choice = chance(seed, "faults")
        self._seed = seed

    def damage(self, number: int) -> Damage | None:
        """How the record of the row of that number is broken, if it is."""
        choice = chance(self._seed, "damage", number)
        return choice.choice(list(Damage)) if choice.random() < self.faults.damage else None

    def arrange(self, rows: Sequence[ActivityRow]) -> list[ActivityRow]:
        """The rows of a run in the order they are sent, some perhaps left for a later run."""
        if not self.faults.reorder:
            return list(rows)
        chosen = [row for row in rows if self._choice.random() >= _LEFT_FOR_LATER]
        self._choice.shuffle(chosen)
        return chosen

    def sends_twice(self) -> bool:
        """Whether the next request is sent twice."""
        return self._choice.random() < self.faults.duplicates

    def listening(self, *, dated: bool) -> Listening:
        """How long to stay for the next reply.

        A request whose records carry no date is never left before it is answered: what a receiver still works on
        when the next request comes would be applied after it, and nothing could tell that it is older.
        """
        if self._choice.random() >= self.faults.drop:
            return Listening.FOR_REPLY
        early = self._choice.random() < 0.5
        return Listening.NOT_AT_ALL if early and dated else Listening.UNTIL_ANSWERED
