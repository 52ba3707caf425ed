"""The audit itself: it has nothing to say of a receiver that did well, and sees every kind of damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, create_engine, text

from tests.conftest import StartReceiver
from tests.support.receiver import Receiver, rows_of

from .auditor import audit
from .events import Ending
from .ledger import Delivery, Ledger
from .sending import Load
from .traffic import Traffic

_PUSHES = 220


def _told(receiver: Receiver) -> Ledger:
    with Load(receiver.port, Traffic(3).stories(_PUSHES), clients=4) as load:
        pass
    return load.ledger


def test_nothing_is_found_where_nothing_broke(receiver: Receiver) -> None:
    ledger = _told(receiver)
    figures = ledger.figures()
    assert figures["settled"] == figures["pushes"] == figures["deliveries"] >= _PUSHES
    assert audit(ledger, receiver.rows) == []
    # What the audit is about is all there: every kind, every ending, and repeats.
    pushes = [push for story in ledger.stories for push in story]
    assert {push.ending for push in pushes} == set(Ending)
    assert any(push.again for push in pushes)
    kinds = {row["kind"] for row in receiver.rows("SELECT DISTINCT kind FROM v1_notifications")}
    assert kinds == {"confirmation", "cancellation", "completion", "unavailability"}
    statuses = {row["status"] for row in receiver.rows("SELECT DISTINCT status FROM v1_bookings")}
    assert statuses == {"confirmed", "cancelled", "completed"}
    outcomes = {row["outcome"] for row in receiver.rows("SELECT DISTINCT outcome FROM v1_pushes")}
    assert outcomes == {"stored", "duplicate", "partly_held", "refused"}


# What is done to the database, and the rule that must be found broken.
_ONE = "(SELECT min(booking_id) FROM bookings WHERE status = 'confirmed')"
_REPEAT = "(SELECT max(id) FROM pushes WHERE outcome = 'duplicate')"
_SECOND = "(SELECT max(id) FROM notifications WHERE position = 2 AND status = 'applied')"


def _copy(table: str, where: str, changes: str) -> tuple[str, ...]:
    """Statements that insert a row once more, with changes."""
    return (
        f"CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {where} LIMIT 1",
        f"UPDATE copied SET {changes}",
        f"INSERT INTO {table} SELECT * FROM copied",
        "DROP TABLE copied",
    )


_DAMAGE: dict[str, tuple[str, tuple[str, ...]]] = {
    "a body is gone": ("partial", ("DELETE FROM push_bodies WHERE push_id = (SELECT max(id) FROM pushes)",)),
    "a body has changed": ("lost", ("UPDATE push_bodies SET body = CAST(push_id AS BLOB)",)),
    "a delivery is gone": (
        "lost",
        (
            f"DELETE FROM push_bodies WHERE push_id = {_REPEAT}",
            f"DELETE FROM repeats WHERE push_id = {_REPEAT}",
            f"DELETE FROM pushes WHERE id = {_REPEAT}",
        ),
    ),
    "a code is gone": ("partial", (f"DELETE FROM booking_codes WHERE position = 1 AND booking_id = {_ONE}",)),
    "a code says something else": (
        "partial",
        (f"UPDATE booking_codes SET sor_code = '0' WHERE position = 1 AND booking_id = {_ONE}",),
    ),
    "a booking is gone": ("state", (f"DELETE FROM bookings WHERE booking_id = {_ONE}",)),
    "a booking stands elsewhere": ("state", (f"UPDATE bookings SET status = 'cancelled' WHERE booking_id = {_ONE}",)),
    "a booking lost a value": ("state", (f"UPDATE bookings SET contract = NULL WHERE booking_id = {_ONE}",)),
    "an absence is gone": (
        "state",
        ("DELETE FROM unavailabilities WHERE resource_id = (SELECT min(resource_id) FROM unavailabilities)",),
    ),
    "a change is there twice": (
        "effects",
        _copy("changes", "true", '"cursor" = (SELECT max(c."cursor") + 1 FROM changes c)'),
    ),
    "a change is gone": ("effects", ('DELETE FROM changes WHERE "cursor" = (SELECT min("cursor") FROM changes)',)),
    "an effect is there twice": (
        "twice",
        _copy("notifications", "status = 'applied'", "id = id || 'x', event_key = 'x', position = 1000"),
    ),
    "a record of a batch is gone": (
        "lost",
        (
            f"DELETE FROM changes WHERE notification_id = {_SECOND}",
            f"DELETE FROM notifications WHERE id = {_SECOND}",
        ),
    ),
    "a notification has another status": (
        "status",
        (f"UPDATE notifications SET status = 'superseded' WHERE id = {_SECOND}",),
    ),
    "a completion's worker is gone": ("partial", ("DELETE FROM completion_resources",)),
    "a delivery that nobody made": (
        "twice",
        (
            *_copy("pushes", "outcome = 'stored'", "id = id || 'x'"),
            *_copy("push_bodies", "push_id || 'x' IN (SELECT id FROM pushes)", "push_id = push_id || 'x'"),
        ),
    ),
}


def test_every_kind_of_damage_is_found(start_receiver: StartReceiver, sqlite_url: str) -> None:
    receiver = start_receiver(sqlite_url)
    ledger = _told(receiver)
    assert audit(ledger, receiver.rows) == []
    missed = []
    for what, (rule, statements) in _DAMAGE.items():
        with _damaged(sqlite_url, statements) as connection:
            found = audit(ledger, partial(rows_of, connection))
        if rule not in {finding.rule for finding in found}:
            missed.append(f"{what}: {[str(finding) for finding in found[:5]]}")
    assert missed == []
    assert audit(ledger, receiver.rows) == []  # the damage was undone each time


@contextmanager
def _damaged(url: str, statements: tuple[str, ...]) -> Iterator[Connection]:
    """A connection that sees the database after the statements; they are never committed."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for statement in statements:
            assert connection.execute(text(statement)).rowcount, f"no damage done by {statement}"
        yield connection
        connection.rollback()
    engine.dispose()


def test_what_was_told_yes_and_is_not_there_is_found(receiver: Receiver) -> None:
    """Told by a ledger that says yes to pushes that never arrived."""
    ledger = Ledger()
    stories = Traffic(4).stories(30)
    for story in stories:
        ledger.add(story)
        for push in story:
            ledger.begin(push)
            ledger.end(Delivery(push, 1, 0.0, 0.0, 200, "success", push_id="0199-not-there"))
    found = audit(ledger, receiver.rows)
    lost = {finding.about for finding in found if finding.rule == "lost"}
    assert lost >= {f"push {push.name}" for story in stories for push in story}


def test_what_was_never_sent_is_found(receiver: Receiver) -> None:
    _told(receiver)
    assert {finding.rule for finding in audit(Ledger(), receiver.rows)} == {"unknown"}
