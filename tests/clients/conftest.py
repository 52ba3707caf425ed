"""A receiver whose source asks for credentials, as SOAP clients meet it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.receiver import Receiver

USERNAME, PASSWORD = "drs", "a password"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("receiver")
    env = {"RECEIVER_PUSH_USERNAME": USERNAME, "RECEIVER_PUSH_PASSWORD": PASSWORD}
    with Receiver(f"sqlite:///{folder / 'receiver.db'}", folder, env=env) as running:
        yield running
