"""Fixtures for all tests: databases of every kind, each new and empty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Cluster, empty_database, unusable
from tests.support.receiver import Receiver
from tests.support.system import Missing

NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An administrator's URL: the one in RECEIVER_TEST_DATABASE_URL, else of a throw-away cluster."""
    given = os.environ.get("RECEIVER_TEST_DATABASE_URL")
    if given:
        if reason := unusable(given):
            pytest.fail(f"RECEIVER_TEST_DATABASE_URL cannot be used: {reason}", pytrace=False)
        yield given
        return
    with _cluster() as cluster:
        yield cluster.url


@pytest.fixture
def private_cluster() -> Iterator[Cluster]:
    """A running cluster that belongs to one test, which may stop and start it."""
    with _cluster() as cluster:
        yield cluster


def _cluster() -> Cluster:
    try:
        return Cluster()
    except Missing as missing:
        reason = str(missing)
    pytest.fail(reason, pytrace=False)


@pytest.fixture
def new_postgres_database(postgres_url: str) -> Iterator[NewDatabase]:
    """Makes an empty database at each call and returns its URL; all are dropped when the test ends."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(empty_database(postgres_url))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'receiver.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, without any migration applied; every test that asks runs once on each kind."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        return url
    new_database: NewDatabase = request.getfixturevalue("new_postgres_database")
    return new_database()


StartReceiver = Callable[..., Receiver]


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[StartReceiver]:
    """Starts a real receiver: ``start_receiver(database_url, config=..., env=..., workers=...)``; stopped at the end."""
    with ExitStack() as running:

        def start(url: str, **options: Any) -> Receiver:
            return running.enter_context(Receiver(url, tmp_path, **options))

        yield start


@pytest.fixture
def receiver(database_url: str, start_receiver: StartReceiver) -> Receiver:
    """A real receiver with default settings on an empty database; once on SQLite, once on PostgreSQL."""
    return start_receiver(database_url)
