"""What people decide and replay with, on a corridor of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import select

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.intake.deciding import Deciding
from receiver.intake.rebuilding import Rebuilding
from receiver.intake.walking import Walking
from receiver.jobs.replay_slices import Work
from receiver.jobs.replaying import Replaying
from receiver.messages import Rules
from receiver.store import engine as engines
from receiver.store import migrations, pushes
from receiver.store.store import Store
from receiver.wire import Limits
from tests.support.corridor import Corridor, make_source

MOST_BYTES = 1_000_000


class Office(Corridor):
    """A corridor, and what works beside it."""

    def __init__(self, store: Store, rules: Rules | None, now: Callable[[], datetime]) -> None:
        source = make_source(rules)
        super().__init__(store, source, now)
        self.now, self.sources, table = now, {source.name: source}, field_table()
        what = store, table, self.sources
        self.deciding = Deciding(*what, Limits(), MOST_BYTES, now, uuid_utils.uuid7)
        walking = Walking(*what, Limits(), now, uuid_utils.uuid7)
        self.work = Work(store, self.sources, walking, Rebuilding(*what, now), now, uuid_utils.uuid7)

    def replaying(self, owner: str = "me") -> Replaying:
        """As one process has it."""
        return Replaying(self.work, lambda _: None, owner)

    def rows(self, name: str, *order: str) -> list[dict[str, Any]]:
        """A whole table, in order."""
        table = self.store.tables.metadata.tables[name]
        query = select(table).order_by(*(table.c[column] for column in order))
        with self.store.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def waiting(self) -> list[str]:
        """The pushes that something may come of."""
        with self.store.reading() as connection:
            return pushes.retryable(connection, self.store.tables, None)

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """All that downstream sees of bookings and absences, and what the feed has told."""
        tables = ("bookings", "booking_codes", "completions", "unavailabilities", "changes")
        return {name: self.rows(name, *self._key(name)) for name in tables}

    def _key(self, name: str) -> list[str]:
        return [c.name for c in self.store.tables.metadata.tables[name].primary_key.columns]


@contextmanager
def office(url: str, rules: Rules | None = None, now: Callable[[], datetime] = utc_now) -> Iterator[Office]:
    """One on the database at ``url``, brought to the newest migration."""
    store = Store(engines.create(url), field_table())
    try:
        migrations.upgrade(store.engine)
        yield Office(store, rules, now)
    finally:
        store.close()
