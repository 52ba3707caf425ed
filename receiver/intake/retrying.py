"""A stored push through the corridor again, as settings are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from receiver.errors import StoreConflict, StoreUnavailable
from receiver.fields import FieldTable
from receiver.store import notifications, pushes
from receiver.store.replays import decisions
from receiver.store.store import Store
from receiver.wire import Limits, Reading

from .draft import digest
from .judging import batches, judged
from .receipt import Tally
from .repeats import Arrival
from .settling import Also, Settling
from .source import Source

_RACES = 20


class Retrying:
    """Walks one push at a time. ``now`` gives aware UTC; ``new_id`` gives ids that sort by time."""

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        limits: Limits,
        now: Callable[[], datetime],
        new_id: Callable[[], object],
    ) -> None:
        self._store, self._table, self._limits = store, table, limits
        self._now, self._new_id = now, new_id

    def retry(
        self, push_id: str, sources: Mapping[str, Source], *, dry_run: bool = False, also: Also | None = None
    ) -> Tally | None:
        """Walk a stored push through the corridor again; what was settled stays as it is, what was discarded too.

        Returns what came of it, each record's outcome included, or None when there is no such push. ``also`` is done
        in the same transaction, at its end. With ``dry_run`` nothing is written. Raises BytesGone, Unreadable when the
        bytes still cannot be read, StoreError when the database fails.
        """
        tables = self._store.tables
        with self._store.reading() as connection:
            found = pushes.body_of(connection, tables, push_id)
        if found is None or found[0] not in sources:
            return None
        source, received_at, body = sources[found[0]], found[1], found[2]
        for _ in range(_RACES):
            try:
                with self._store.transaction() as connection:
                    decisions.lock_pushes(connection, tables, [push_id])
                    before = notifications.of_push(connection, tables, push_id)
                    arrival = Arrival(push_id, digest(body), received_at, self._now, is_new=False, is_live=False)
                    tally = Tally(outcomes=[])
                    settling = Settling(
                        *(connection, tables, self._table, source, arrival, before, self._new_id), tally=tally
                    )
                    for batch in batches(judged(source, Reading(body, source.names, self._limits).records())):
                        settling.settle(batch)
                    if dry_run:
                        connection.rollback()
                    elif also is not None:
                        also(connection, tally)
                    return tally
            except StoreConflict:
                continue
        raise StoreUnavailable("Other transactions got there first every time.")
