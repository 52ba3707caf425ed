"""An export has everything that its filter finds, in short steps, whatever happens meanwhile."""

from __future__ import annotations

import tracemalloc

import pytest
from sqlalchemy import delete, event

from receiver.store.finding import exporting
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import confirmation, element, unavailability


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.store.finding.exporting._AT_ONCE", 3)


def _push_some(found: Corridor) -> list[str]:
    bodies = [confirmation(bookingId=str(n + 1)) for n in range(7)]
    bodies += [element("unavailabilities", "".join(unavailability(ResourceId=f"W{n}") for n in range(8)))]
    bodies += [confirmation(bookingId="x", primaryOrderNumber="=1+1")]
    return [str(found.push(body).push_id) for body in bodies]


def test_pushes_oldest_first_and_nothing_twice(database_url: str) -> None:
    with corridor(database_url) as found:
        ids = _push_some(found)
        head, *rows = exporting.pushes(found.store, Filter())
        assert list(head)[:3] == ["id", "source", "received_at"]
        assert [row[0] for row in rows] == ids
        assert len({len(row) for row in (head, *rows)}) == 1
        assert [r[0] for r in exporting.pushes(found.store, Filter(booking_id="3"))][1:] == [ids[2]]
        assert len(list(exporting.pushes(found.store, Filter(sources=())))) == 1


def test_records_with_what_they_say(database_url: str) -> None:
    with corridor(database_url) as found:
        ids = _push_some(found)
        head, *rows = exporting.records(found.store, Filter())
        push, position, status, values = (list(head).index(n) for n in ("push_id", "position", "status", "values"))
        assert [row[push] for row in rows] == [*ids[:7], *ids[7:8] * 8, ids[8]]
        assert [row[position] for row in rows][7:15] == [*range(1, 9)]
        assert '"=1+1"' in str(rows[-1][values])
        held = list(exporting.records(found.store, Filter(status=NotificationStatus.HELD)))[1:]
        assert [row[status] for row in held] == ["held"]


def test_no_transaction_lasts_from_one_row_to_the_next(database_url: str) -> None:
    with corridor(database_url) as found:
        ids = _push_some(found)
        rows = exporting.pushes(found.store, Filter())
        seen = [next(rows)[0], next(rows)[0]]
        assert found.store.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        # What goes meanwhile ends nothing.
        t = found.store.tables
        with found.store.transaction() as connection:
            for table, column in ((t.changes, None), (t.notifications, t.notifications.c.push_id)):
                which = column.in_(ids[4:6]) if column is not None else t.changes.c.cursor > 0
                connection.execute(delete(table).where(which))
            connection.execute(delete(t.pushes).where(t.pushes.c.id.in_(ids[4:6])))
        seen += [row[0] for row in rows]
        assert seen == ["id", *ids[:4], *ids[6:]]


def test_memory_and_statements_do_not_grow_with_what_is_found(sqlite_url: str) -> None:
    with corridor(sqlite_url) as found:
        records = "".join(unavailability(ResourceId=f"W{n}", Comments="c" * 200) for n in range(3000))
        found.push(element("unavailabilities", records))
        statements = []
        event.listen(found.store.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        rows = exporting.records(found.store, Filter())
        next(rows)
        for _ in range(30):
            next(rows)
        tracemalloc.start()
        for _ in range(300):
            next(rows)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()
        assert len(statements) < 330 / 3 * 8
