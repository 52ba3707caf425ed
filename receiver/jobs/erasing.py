"""Erasing a person, an order or a booking everywhere: tables, stored bytes, spool; and leaving a proof of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from receiver.errors import SpoolDamaged, SpoolError, Unreadable
from receiver.fields import FieldTable, Kind
from receiver.intake.source import Source
from receiver.messages.canonical import Values, canonical, levels
from receiver.messages.subject import Subject, SubjectKind, digest
from receiver.spool import Spool
from receiver.store.bodies import Bodies
from receiver.store.keeping import proofs
from receiver.store.keeping.erasure import Eraser
from receiver.store.keeping.proofs import Proof
from receiver.store.keeping.subjects import Finder, Found
from receiver.store.people import trail
from receiver.store.people.chain import Action, By, Entry
from receiver.store.store import Store
from receiver.wire import Limits, Record, RootNames
from receiver.wire.redaction import readable, redact

_SALT_BYTES = 16
_TRIES, _SECONDS_BETWEEN = 300, 0.2

Show = Callable[[str, int], None]


@dataclass(frozen=True)
class Order:
    """What is to be erased and why: ``subject``, of one ``source`` or (None) of all, and who does it.

    ``done_by`` is for the proof, ``by`` for the trail.
    """

    subject: Subject
    source: str | None
    reason: str
    done_by: str | None
    by: By


class Erasing:
    """Finds and erases. ``pause`` waits for as many seconds as it is given; ``random`` gives so many random bytes."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        table: FieldTable,
        limits: Limits,
        spool: Spool | None,
        now: Callable[[], datetime],
        pause: Callable[[float], object],
        new_id: Callable[[], object],
        random: Callable[[int], bytes],
    ) -> None:
        self._store, self._sources, self._table, self._limits, self._spool = store, sources, table, limits, spool
        self._now, self._pause, self._new_id, self._random = now, pause, new_id, random
        self._known_names = RootNames.of(table)

    def find(self, order: Order, show: Show) -> Found:
        """What the tables hold. ``show`` is told what is being done, and how much of it has been. Raises StoreError."""
        zones = {name: source.rules.zone for name, source in self._sources.items()}
        finder = Finder(self._store, order.subject, zones, order.source)
        _follow(finder.slices(), "reading rows", show)
        return finder.found

    def count(self, order: Order, found: Found, show: Show) -> Counter[str]:
        """How much there is of it, bytes included; changes nothing. Raises StoreError, SpoolError."""
        self._spooled(order, found, show, change=False)
        self._bodies(order, found, show, change=False)
        return found.counts

    def erase(self, order: Order, found: Found, show: Show) -> Counter[str]:
        """Erase what was found, and leave a proof; gives what was done. Can be done again after any failure.

        Raises StoreError, SpoolError.
        """
        self._spooled(order, found, show, change=True)
        _follow(Eraser(self._store, order.subject, self._now()).slices(found), "erasing rows", show)
        self._bodies(order, found, show, change=True)
        counts = {name: count for name, count in found.counts.items() if count}
        with self._store.transaction() as connection:
            for text in order.subject.texts:
                salt = self._random(_SALT_BYTES)
                proof = Proof(
                    *(str(self._new_id()), self._now(), order.subject.kind, salt, digest(text, salt)),
                    *(order.source, order.reason, order.done_by, counts),
                )
                proofs.add(connection, self._store.tables, proof)
            # Whom or what, the trail does not say either.
            details = {"kind": order.subject.kind.value, "source": order.source, "counts": counts}
            entry = Entry(self._now(), order.by.person, Action.ERASED, order.by.role, None, None, order.reason, details)
            trail.append(connection, self._store.tables, entry)
        return found.counts

    # Bytes

    def _bodies(self, order: Order, found: Found, show: Show, *, change: bool) -> None:
        bodies, done = Bodies(self._store, order.source, found.notifications), 0
        for part in bodies.slices():
            for stored in part:
                body = bodies.read(stored.push_id)
                new = None if body is None else self._without(order.subject, found, stored.source, body, stored.erased)
                if body is None or new == body:
                    continue
                found.counts["pushes.bytes_erased" if new is None else "pushes.bytes_redacted"] += 1
                if change:
                    bodies.write(stored.push_id, new)
            done += len(part)
            show("reading stored bytes", done)

    def _spooled(self, order: Order, found: Found, show: Show, *, change: bool) -> None:
        if self._spool is None:
            return
        with self._alone(self._spool) as spool:
            for done, name in enumerate(spool.pending(), start=1):
                try:
                    push = spool.read(name)
                except SpoolDamaged:
                    found.left["spool"] += 1
                    continue
                if order.source not in (None, push.source):
                    continue
                new = self._without(order.subject, found, push.source, push.body, frozenset())
                if new == push.body:
                    continue
                found.counts["spool.erased" if new is None else "spool.redacted"] += 1
                if change and new is None:
                    spool.remove(name)
                elif change and new is not None:
                    spool.rewrite(name, new)
                show("reading the spool", done)
            found.left.update({"spool": spool.state().damaged})

    @contextmanager
    def _alone(self, spool: Spool) -> Iterator[Spool]:
        """The spool while nobody else empties it. Raises SpoolError when that does not come to be in a minute."""
        for _ in range(_TRIES):
            with spool.draining() as mine:
                if mine:
                    yield spool
                    return
            self._pause(_SECONDS_BETWEEN)
        raise SpoolError("The spool is being emptied all the time: try again later.")

    def _without(
        self, subject: Subject, found: Found, source: str, body: bytes, erased: frozenset[int]
    ) -> bytes | None:
        """The bytes as they may stay: the same where they say nothing of the subject, None where nothing may stay."""
        told = any(subject.within(text) for text in readable(body))
        if not told and not erased:
            return body
        known = self._sources.get(source)
        about = _About(subject, found, source, known, self._table, erased)
        try:
            names = known.names if known is not None else self._known_names
            result = redact(body, names, self._limits, about.whole, subject.concerns)
        except Unreadable:
            return None if erased or any(subject.in_wreck(text) for text in readable(body)) else body
        if result.records and result.erased == result.records:
            return None
        left = subject.kind is SubjectKind.PERSON and subject.within(next(readable(result.body)))
        return None if left else result.body


class _About:
    """Tells of the records of one push whether they are wholly about the subject."""

    def __init__(
        self,
        subject: Subject,
        found: Found,
        source: str,
        known: Source | None,
        table: FieldTable,
        erased: frozenset[int],
    ) -> None:
        self._subject, self._found, self._source, self._erased = subject, found, source, erased
        self._table, self._levels = table, levels(table, known.rules.field_aliases if known else {})

    def whole(self, record: Record) -> bool:
        """Whether all of the record is to be erased."""
        if record.position in self._erased:
            return True
        values = canonical(record, self._levels[record.kind], self._table.kinds[record.kind]).values
        return self._subject.owns(record.kind, values) or self._is_of_booking(record, values)

    def _is_of_booking(self, record: Record, values: Values) -> bool:
        booking_id = values.get("bookingId")
        if record.kind is Kind.UNAVAILABILITY or not isinstance(booking_id, str):
            return False
        return (self._source, booking_id) in self._found.bookings


def _follow(slices: Iterator[int], what: str, show: Show) -> None:
    done = 0
    for count in slices:
        done += count
        show(what, done)
