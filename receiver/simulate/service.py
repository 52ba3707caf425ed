"""The *background service* (facts, section 1): sends waiting rows, and logs what came of it on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.fields import FieldTable, Kind

from .activity import ActivityRow, ActivityTable
from .chance import chance
from .damage import broken
from .dialect import Dialect
from .document import Writer
from .facts import facts_of
from .faults import Listening, Mischief
from .reply import Outcome, read_reply
from .request import Batching, Request
from .sender import Sender
from .sheet import Sheet, Values

_DATES = {Kind.CONFIRMATION: "changedDate", Kind.CANCELLATION: "changedDate", Kind.COMPLETION: "taskCompletionDate"}


@dataclass
class Figures:
    """Counts since the start: ``requests`` is all that were sent, second deliveries (``repeated``) included."""

    requests: int = 0
    repeated: int = 0
    dropped: int = 0
    held: int = 0
    last: str = ""


class BackgroundService:
    """Sends the waiting rows of ``table``. ``max_attempts``: a row that was tried that often is marked failed."""

    def __init__(
        self,
        table: ActivityTable,
        fields: FieldTable,
        sender: Sender,
        *,
        dialects: Sequence[Dialect],
        mischief: Mischief,
        sheet: Sheet,
        max_attempts: int,
    ) -> None:
        self._table, self._fields, self._sender = table, fields, sender
        self._batching, self._writer = Batching(dialects), Writer(fields)
        self._mischief, self._sheet, self._max_attempts = mischief, sheet, max_attempts
        self.figures = Figures()

    def run(self) -> bool:
        """One timed run over the rows that wait now. False when the receiver took no connection: the rest waits on."""
        late: list[tuple[Request, bytes]] = []
        for request in self._batching.requests(self._mischief.arrange(self._table.ready())):
            body = self._writer.write(request.kind, [self._record(r) for r in request.rows], request.dialect)
            outcome = self._send(request, body, self._mischief.listening(dated=self.is_dated(request.kind)))
            for row in request.rows:
                self._table.log(
                    row.id,
                    accepted=outcome.accepted,
                    outcome=outcome.text,
                    held=outcome.held,
                    max_attempts=self._max_attempts,
                )
            self.figures.held += outcome.held
            if not outcome.connected:
                return False
            if self._mischief.sends_twice():
                late.append((request, body))
                if not (self._mischief.faults.reorder and self.is_dated(request.kind)):
                    self._send_again(*late.pop())
        for request, body in late:
            self._send_again(request, body)
        return True

    def is_dated(self, kind: Kind) -> bool:
        """Whether records of the kind carry the date that puts a booking's events in order, wherever they arrive."""
        return kind in _DATES and _DATES[kind].lower() not in self._sheet.suppressed

    def _send(self, request: Request, body: bytes, listening: Listening) -> Outcome:
        self.figures.requests += 1
        self.figures.dropped += listening is not Listening.FOR_REPLY
        outcome = read_reply(self._sender.send(body, request.dialect.content_type, listening))
        self.figures.last = f"{request.kind}, {len(request.rows)} rows: {outcome.text}"
        return outcome

    def _send_again(self, request: Request, body: bytes) -> None:
        """A second delivery, as a sender makes that is not sure of the first. What it is told changes no row."""
        self.figures.repeated += 1
        self._send(request, body, Listening.FOR_REPLY)

    def _record(self, row: ActivityRow) -> Values:
        values = self._sheet.record(row.kind, facts_of(row.what), row.subject)
        if row.damage is None:
            return values
        return broken(values, self._fields.kinds[row.kind], row.damage, chance("broken", row.id))
