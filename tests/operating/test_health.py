"""/healthz and /readyz: alive, and able to store now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from receiver.store import engine as engines
from receiver.store import migrations
from tests.conftest import NewDatabase, StartReceiver
from tests.support.postgres import Cluster
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver


def asked(receiver: Receiver, path: str) -> tuple[int, Any]:
    answer = receiver.get(path)
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)


def test_alive_and_ready(receiver: Receiver) -> None:
    assert asked(receiver, "/healthz") == (200, {"status": "ok"})
    assert asked(receiver, "/readyz") == (200, {"status": "ready"})


@pytest.mark.parametrize("revision", ["base", "0001"])
def test_not_ready_behind_the_migrations(
    new_postgres_database: NewDatabase, start_receiver: StartReceiver, revision: str
) -> None:
    receiver = start_receiver(new_postgres_database())
    engine = engines.create(receiver.database_url)
    migrations.downgrade(engine, revision)
    status, said = asked(receiver, "/readyz")
    assert (status, said["status"], said["reason"]) == (503, "not ready", "behind_migrations")
    assert "receiver migrate" in said["detail"]
    assert asked(receiver, "/healthz") == (200, {"status": "ok"})
    if revision == "base":
        answer = receiver.push(confirmation())
        assert (answer.status, answer.push_id) == (503, None)

    migrations.upgrade(engine)
    engine.dispose()
    assert asked(receiver, "/readyz") == (200, {"status": "ready"})
    assert receiver.push(confirmation()).status == 200


def test_not_ready_while_the_database_cannot_be_reached(
    private_cluster: Cluster, start_receiver: StartReceiver
) -> None:
    receiver = start_receiver(private_cluster.url, env={"RECEIVER_DATABASE_TIMEOUT": "2"})
    private_cluster.stop()
    status, said = asked(receiver, "/readyz")
    assert (status, said["status"], said["reason"]) == (503, "not ready", "store_unavailable")
    assert asked(receiver, "/healthz") == (200, {"status": "ok"})
    private_cluster.start()
    assert asked(receiver, "/readyz") == (200, {"status": "ready"})
