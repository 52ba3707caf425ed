"""Receivers that the tests of one file share: every test looks only at what its own requests left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.postgres import empty_database
from tests.support.receiver import Receiver

StartShared = Callable[..., Receiver]


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartShared]:
    """Starts a receiver that lives as long as the file's tests: ``start_shared(config=..., env=...)``, on SQLite."""
    with ExitStack() as running:

        def start(url: str = "", **options: Any) -> Receiver:
            folder = tmp_path_factory.mktemp("receiver")
            return running.enter_context(Receiver(url or f"sqlite:///{folder / 'receiver.db'}", folder, **options))

        yield start


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for the file's tests, once of each kind; "" for an SQLite file of the receiver's own."""
    if request.param == "sqlite":
        yield ""
        return
    with empty_database(request.getfixturevalue("postgres_url")) as url:
        yield url
