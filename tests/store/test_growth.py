"""Nothing slows as the tables fill: what is done touches the rows that it is about, however many others there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from sqlalchemy import text

from receiver.app import utc_now
from receiver.fields import Kind, field_table
from receiver.messages.subject import Names, Subject, SubjectKind
from receiver.store import notifications, pushes
from receiver.store.keeping.retention import Expired, Keep, Retention
from receiver.store.keeping.subjects import Finder
from receiver.store.readiness import Readiness
from tests.conftest import NewDatabase
from tests.performance.fill import fill
from tests.performance.filling import DAYS
from tests.support.corridor import Corridor, corridor
from tests.support.postgres import plain_url
from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability
from tests.support.waiting import wait_until

NOTIFICATIONS = 40_000
LARGE = ("pushes", "push_bodies", "notifications", "bookings", "booking_codes", "changes")
KNOWN = "100000500"
_TOUCHED = """
    SELECT t.relname, t.seq_scan, t.seq_tup_read + sum(i.idx_tup_read)::bigint
      FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid)
     GROUP BY t.relid, t.relname, t.seq_scan, t.seq_tup_read
"""
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'receiver'"


@dataclass(frozen=True)
class Touched:
    """What was read of a table since the last look: whole scans of it, and rows, those of its indexes included."""

    scans: int
    rows: int


class Filled:
    """A database with many notifications, the corridor on it, and what was read of its tables."""

    def __init__(self, url: str, found: Corridor, watch: psycopg.Connection) -> None:
        self.url, self.found, self._watch = url, found, watch

    def touched(self, act: Callable[[], object]) -> dict[str, Touched]:
        """What ``act`` reads of each large table."""
        self._settle()
        before = self._read()
        act()
        self._settle()
        after = self._read()
        pairs = {name: zip(after[name], before[name], strict=True) for name in LARGE}
        return {name: Touched(*(now - was for now, was in pair)) for name, pair in pairs.items()}

    def vacuum(self) -> None:
        """As the server does by itself, some time after much has been deleted."""
        for table in LARGE:
            self._watch.execute(sql.SQL("VACUUM {}").format(sql.Identifier(table)))

    def _settle(self) -> None:
        """A session's counts are all told once it has ended."""
        self.found.store.engine.dispose()
        wait_until(lambda: self._watch.execute(_OTHERS).fetchone() == (0,), 10, "the receiver's sessions have ended")

    def _read(self) -> dict[str, tuple[int, int]]:
        return {name: (scans, rows) for name, scans, rows in self._watch.execute(_TOUCHED)}


@contextmanager
def filled(url: str) -> Iterator[Filled]:
    fill(url, NOTIFICATIONS)
    with corridor(url) as found, psycopg.connect(plain_url(url), autocommit=True) as watch:
        # Statistics that are taken in the middle of what is looked at, as on a busy machine, would change the plans.
        for table in found.store.tables.metadata.sorted_tables:
            off = sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)")
            watch.execute(off.format(sql.Identifier(table.name)))
        yield Filled(url, found, watch)


def _done(booking: str) -> str:
    own = {"bookingId": booking, "primaryOrderNumber": "L9", "taskCompletionDate": "2021-07-02T11:40:00"}
    return element("bookingCompletion", fields(own))


def _page(store: Corridor, after: int) -> int:
    query = text(f'SELECT * FROM v1_changes WHERE "cursor" > {after} ORDER BY "cursor" LIMIT 1000')
    with store.store.reading() as connection:
        return len(connection.execute(query).all())


def _monitors(found: Corridor) -> None:
    with found.store.reading() as connection:
        for kind in Kind:
            assert pushes.last_received(connection, found.store.tables, "drs", kind) is not None
        notifications.count_held(connection, found.store.tables)
    Readiness(found.store).require()


def _retry(found: Corridor) -> None:
    with found.store.reading() as connection:
        assert len(pushes.retryable(connection, found.store.tables, "drs")) > 4


def _batch(found: Corridor) -> None:
    records = [confirmation(bookingId=str(n), codes=[CODE]) for n in range(700, 740)]
    assert found.push(element("bookingConfirmations", "".join(records))).outcome == "stored"


def test_what_is_asked_at_every_push_touches_few_rows(new_postgres_database: NewDatabase) -> None:
    with filled(new_postgres_database()) as house:
        push, late = house.found.push, "2020-05-28T09:00:00"
        acts: dict[str, tuple[Callable[[], object], int]] = {
            "the first of all": (lambda: push(confirmation(codes=[CODE])), 60),
            "a new booking": (lambda: push(confirmation(bookingId="2", codes=[CODE])), 30),
            "the same again": (lambda: push(confirmation(bookingId="2", codes=[CODE])), 30),
            "a known booking": (lambda: push(confirmation(bookingId=KNOWN, codes=[CODE])), 60),
            "cancelled, undated": (lambda: push(cancellation(bookingId=KNOWN, changedDate=None)), 60),
            "one that comes late": (lambda: push(cancellation(bookingId=KNOWN, changedDate=late)), 60),
            "completed": (lambda: push(_done(KNOWN)), 60),
            "an unavailability": (lambda: push(unavailability()), 60),
            "held": (lambda: push(confirmation(bookingId="x")), 60),
            "refused": (lambda: push("<nothing/>"), 60),
            "forty at once": (lambda: _batch(house.found), 40 * 12),
            "a page of the feed": (lambda: _page(house.found, (NOTIFICATIONS // 2) << 22), 1100),
            "the end of the feed": (lambda: _page(house.found, NOTIFICATIONS << 22), 1100),
            "what may be tried again": (lambda: _retry(house.found), 100),
            "monitors": (lambda: _monitors(house.found), 60),
        }
        for name, (act, most) in acts.items():
            found = house.touched(act)
            assert all(t.scans == 0 and t.rows <= most for t in found.values()), f"{name}: {found}"


def _expire(found: Corridor, days: float) -> Expired:
    """Housekeeping that keeps everything for so many days."""
    old = timedelta(days=days)
    return sum(Retention(found.store, Keep(old, old, old, None), utc_now()).slices(), Expired())


def test_housekeeping_passes_nothing_twice(new_postgres_database: NewDatabase) -> None:
    with filled(new_postgres_database()) as house:
        gone: list[Expired] = []
        first = house.touched(lambda: gone.append(_expire(house.found, DAYS * 0.8)))
        old = NOTIFICATIONS // 5
        assert gone[0].bodies > old * 0.95
        assert gone[0].pushes > old * 0.1
        # Not once for each page of what is over: that would be hundreds of times for each row.
        assert all(t.scans == 0 and t.rows < 30 * old for t in first.values()), first
        house.vacuum()
        again = house.touched(lambda: gone.append(_expire(house.found, DAYS * 0.8)))
        assert gone[1].bodies < 20
        assert again["push_bodies"].rows < 200, again


def test_what_went_in_earlier_years_is_not_passed_again(new_postgres_database: NewDatabase) -> None:
    with filled(new_postgres_database()) as house:
        keep = Keep(timedelta(days=DAYS * 0.5), timedelta(days=DAYS * 2), None, None)
        store, now, gone = house.found.store, utc_now(), []
        assert sum(Retention(store, keep, now).slices(), Expired()).bodies > NOTIFICATIONS * 0.45
        house.vacuum()
        later = Retention(store, keep, now + timedelta(days=1))
        found = house.touched(lambda: gone.append(sum(later.slices(), Expired())))
        assert 100 < gone[0].bodies < 160
        assert all(t.scans == 0 and t.rows < 1000 for t in found.values()), found


def test_a_search_for_someone_reads_each_row_a_few_times(new_postgres_database: NewDatabase) -> None:
    with filled(new_postgres_database()) as house:
        nobody = Subject(SubjectKind.PERSON, ("Nobody Of That Name",), Names.of(field_table()))
        finder = Finder(house.found.store, nobody, {"drs": ZoneInfo("Europe/London")}, None)
        found = house.touched(lambda: sum(finder.slices()))
        assert all(t.rows < 4 * NOTIFICATIONS for t in found.values()), found


def test_bytes_go_whichever_of_two_clocks_gave_the_push_its_id(database_url: str) -> None:
    """A push that came earlier can have the higher id."""
    with corridor(database_url) as found:
        ids = [found.push(confirmation(bookingId=str(n))).push_id for n in range(3)]
        day = timedelta(days=1)
        now = utc_now()
        p = found.store.tables.pushes
        with found.store.transaction() as connection:
            for number, seconds in enumerate((20, 10, 0)):
                moment = now - 10 * day + timedelta(seconds=seconds)
                connection.execute(p.update().where(p.c.id == ids[number]).values(received_at=moment))
        keep = Keep(10 * day - timedelta(seconds=15), None, None, None)
        assert sum(Retention(found.store, keep, now).slices(), Expired()).bodies == 2
        with found.store.reading() as connection:
            assert connection.scalars(text("SELECT push_id FROM push_bodies")).all() == [ids[0]]
