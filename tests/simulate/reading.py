"""What the receiver makes of documents, without a server."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

from receiver.fields import field_table
from receiver.messages import Judge, Notification, Rules, Schemas
from receiver.wire import Limits, Reading, RootNames


@cache
def _judge() -> tuple[RootNames, Judge]:
    table = field_table()
    return RootNames.of(table), Judge(table, Schemas(table), Rules("drs", ZoneInfo("Europe/London")))


def judged(body: bytes) -> list[Notification]:
    """Every record of a push, judged by the rules of a source without settings of its own."""
    names, judge = _judge()
    return [judge.judge(record) for record in Reading(body, names, Limits()).records()]
