"""A delivery on its way through the corridor: what is known of it before anything is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from receiver.store.pushes import Push
from receiver.wire import Envelope, Reading, form_of

from .receipt import Receipt
from .repeats import Arrival
from .source import Source

_LARGE, _SLICE = 64 * 1024, 2047


@dataclass(frozen=True)
class Delivery:
    """One request as the door let it in: whose it is, its bytes whole, what it called them, and its address."""

    source: Source
    body: bytes
    content_type: str | None = None
    sender: str | None = None


@dataclass
class Draft:
    """``received_at`` UTC. ``answered`` is the HTTP status that the sender has heard, when that was long ago.

    ``receipt`` is what was about to be committed: it holds if the commit turns out to have happened. ``wrapped``: how
    it came wrapped, where that is known without reading. ``now`` tells the time (UTC).
    """

    push_id: str
    received_at: datetime
    delivery: Delivery
    now: Callable[[], datetime]
    answered: int | None = None
    reading: Reading | None = None
    receipt: Receipt | None = None
    wrapped: Envelope | None = None

    @property
    def envelope(self) -> Envelope:
        """The envelope as far as it has been read."""
        return self.reading.envelope if self.reading is not None else self.wrapped or Envelope()

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return digest(self.delivery.body)

    def arrival(self) -> Arrival:
        """How its records arrive."""
        return Arrival(
            *(self.push_id, self.sha256, self.received_at, self.now),
            is_live=self.answered is None,
            answered=self.answered,
        )

    @property
    def _taken(self) -> int | None:
        """Microseconds since it came; None when it has waited in the spool. A clock put back leaves 0."""
        if self.answered is not None:
            return None
        return max(0, int((self.now() - self.received_at).total_seconds() * 1_000_000))

    def push(self, receipt: Receipt, message: str | None = None) -> Push:
        """The row of the inbox."""
        source, envelope = self.delivery.source, self.envelope
        return Push(
            id=self.push_id,
            source=source.name,
            received_at=self.received_at,
            size_bytes=len(self.delivery.body),
            sha256=self.sha256,
            content_type=self.delivery.content_type,
            form=form_of(envelope),
            kind=receipt.kind or source.names.roots.get((envelope.operation or "").lower()),
            outcome=receipt.outcome,
            records=receipt.records,
            held=receipt.held,
            reply_status=self.answered or receipt.reply.status,
            reason=receipt.reason,
            message=message,
            sender=self.delivery.sender,
            taken_microseconds=self._taken,
        )


def digest(body: bytes) -> str:
    """SHA-256 in hex: the same bytes are told by it."""
    found = hashlib.sha256()
    if len(body) > _LARGE:
        found.update(body)
    else:
        # Of more at once hashlib lets other threads run meanwhile: to change over takes longer than the digest.
        for start in range(0, len(body), _SLICE):
            found.update(body[start : start + _SLICE])
    return found.hexdigest()
