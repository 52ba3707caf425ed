"""Fixtures for all tests: databases of every kind, each new and empty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Cluster, empty_database, unusable
from tests.support.profiles import load_profile
from tests.support.receiver import Receiver
from tests.support.system import Missing

load_profile()

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
    """Starts real receivers: ``start_receiver(database_url, config=..., env=..., workers=...)``."""
    with ExitStack() as running:

        def start(url: str, **options: Any) -> Receiver:
            return running.enter_context(Receiver(url, tmp_path, **options))

        yield start


@pytest.fixture(scope="session")
def _shared(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Receiver]]:
    """One receiver with default settings for each kind of database, started when it is first asked for."""
    with ExitStack() as running:
        found: dict[str, Receiver] = {}

        def shared(kind: str) -> Receiver:
            if kind not in found:
                folder = tmp_path_factory.mktemp(kind)
                sqlite = f"sqlite:///{folder / 'receiver.db'}"
                url = sqlite if kind == "sqlite" else running.enter_context(empty_database(postgres_url))
                found[kind] = running.enter_context(Receiver(url, folder))
            return found[kind]

        yield shared


@pytest.fixture(params=["sqlite", "postgresql"])
def receiver(request: pytest.FixtureRequest, _shared: Callable[[str], Receiver]) -> Receiver:
    """A real receiver with default settings and nothing stored; once on SQLite, once on PostgreSQL.

    The process is shared by all tests that ask for this, so its log and its counts are not of one test alone.
    """
    found = _shared(request.param)
    found.forget_all()
    return found
