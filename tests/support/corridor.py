"""The corridor without its server: an Intake on a migrated database, for tests that need no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import uuid_utils

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.receipt import Receipt
from receiver.intake.source import Source
from receiver.intake.spooling import Fallback
from receiver.messages import Judge, Rules, Schemas
from receiver.spool import Spool, SpoolReply
from receiver.store import engine as engines
from receiver.store import migrations
from receiver.store.store import Store
from receiver.wire import Limits, RootNames


def make_source(rules: Rules | None = None) -> Source:
    """A source named ``drs`` in Europe/London, or as ``rules`` say."""
    table = field_table()
    rules = rules or Rules("drs", ZoneInfo("Europe/London"))
    return Source(rules.source, RootNames.of(table), rules, Judge(table, Schemas(table), rules))


class Corridor:
    """One store, one source, and the corridor between them."""

    def __init__(
        self,
        store: Store,
        source: Source,
        now: Callable[[], datetime] = utc_now,
        spool: Spool | None = None,
        answer: SpoolReply = SpoolReply.UNAVAILABLE,
    ) -> None:
        self.store, self.source = store, source
        fallback = Fallback(spool, answer, Limits())
        self.intake = Intake(store, field_table(), Limits(), fallback, now, uuid_utils.uuid7)

    def push(self, body: bytes | str) -> Receipt:
        return self.intake.receive(Delivery(self.source, body.encode() if isinstance(body, str) else body))


@contextmanager
def corridor(url: str, rules: Rules | None = None, now: Callable[[], datetime] = utc_now) -> Iterator[Corridor]:
    """A corridor on the database at ``url``, brought to the newest migration."""
    store = Store(engines.create(url), field_table())
    try:
        migrations.upgrade(store.engine)
        yield Corridor(store, make_source(rules), now)
    finally:
        store.close()
