"""A PostgreSQL server that says nothing: taken for gone within a bound, and the next connection works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from receiver.errors import ConnectionLost, StoreUnavailable
from receiver.fields import field_table
from receiver.store import engine as engines
from receiver.store.store import Store
from tests.conftest import NewDatabase
from tests.support.postgres import Cluster


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_server_is_a_lost_connection(private_cluster: Cluster) -> None:
    store = Store(engines.create(private_cluster.url, statement_timeout=1.0), field_table())
    with store.reading() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    assert pid is not None
    with frozen(pid), pytest.raises(ConnectionLost), store.reading() as connection:
        connection.execute(text("SELECT 1"))
    with store.reading() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid
    store.close()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(new_postgres_database: NewDatabase) -> None:
    store = Store(engines.create(new_postgres_database(), statement_timeout=1.0), field_table())
    with pytest.raises(StoreUnavailable, match="57014"), store.reading() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    store.close()


def test_a_transaction_that_does_nothing_lets_go_of_its_locks(new_postgres_database: NewDatabase) -> None:
    url = new_postgres_database()
    store = Store(engines.create(url, statement_timeout=1.0), field_table())
    other = Store(engines.create(url, timeout=20.0), field_table())
    with store.transaction() as connection:
        connection.execute(text("CREATE TABLE things (id int)"))

    def stop_working() -> None:
        with store.transaction() as connection:
            connection.execute(text("LOCK TABLE things"))
            with other.transaction() as waiting:
                waiting.execute(text("LOCK TABLE things"))

    with pytest.raises(StoreUnavailable):
        stop_working()
    store.close()
    other.close()
