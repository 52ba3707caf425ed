"""The roles that docs/security.md tells the database's owner to make: enough to work with, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import StartReceiver
from tests.support.postgres import Cluster
from tests.support.pushes import confirmation, unavailability
from tests.support.receiver import Receiver

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
(GRANTS,) = re.findall(r"```sql\n(GRANT .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
VIEWS = sorted(set(re.findall(r"\bv1_[a-z_]+", GRANTS)))
PASSWORD = "of-the-role"


@dataclass(frozen=True)
class Owned:
    """A migrated database with both roles in it; URLs for either and for its owner."""

    owner: str
    serving: str
    reading: str


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


@pytest.fixture
def owned(private_cluster: Cluster, tmp_path: Path) -> Owned:
    url = private_cluster.url
    done = Receiver(url, tmp_path).command("migrate")
    assert done.returncode == 0, done.stderr.decode()
    for role in ("receiver_serving", "receiver_reading"):
        run(url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    run(url, GRANTS)

    def of(role: str) -> str:
        return make_url(url).set(username=role, password=PASSWORD).render_as_string(hide_password=False)

    return Owned(url, of("receiver_serving"), of("receiver_reading"))


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        yield


def tables(owned: Owned) -> list[str]:
    return [str(name) for (name,) in run(owned.owner, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def test_serving_needs_rows_only(owned: Owned, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(owned.serving, migrate=False)
    assert receiver.push(confirmation()).status == 200
    assert receiver.push(confirmation()).said("status") == "success"
    assert receiver.push(unavailability()).status == 200
    assert receiver.push("<nonsense/>").status == 400
    assert receiver.get("/readyz").status == 200
    assert b"receiver_held_records" in receiver.get("/metrics").body
    for arguments in (["replay", "--held"], ["housekeeping"]):
        done = receiver.command(*arguments)
        assert done.returncode == 0, done.stderr.decode()
    for statement in ("DROP TABLE pushes", "ALTER TABLE pushes ADD COLUMN x text", "TRUNCATE pushes"):
        with refused():
            run(owned.serving, statement)
    with refused():
        run(owned.serving, "CREATE TABLE x (y text)")


def test_a_reader_sees_the_views_alone(owned: Owned, start_receiver: StartReceiver) -> None:
    start_receiver(owned.owner).push(confirmation())
    views = [str(name) for (name,) in run(owned.owner, "SELECT viewname FROM pg_views WHERE schemaname = 'public'")]
    assert sorted(views) == VIEWS
    for view in VIEWS:
        run(owned.reading, f"SELECT * FROM {view}")
    assert run(owned.reading, "SELECT count(*) FROM v1_bookings") == [(1,)]
    statements: list[Callable[[str], str]] = ["SELECT * FROM {}".format, "DELETE FROM {}".format]
    for table in tables(owned):
        for statement in statements:
            with refused():
                run(owned.reading, statement(table))
    for view in VIEWS:
        with refused():
            run(owned.reading, f"DELETE FROM {view}")
