"""A database that cannot store now: a no that blames us, nothing kept, and all is well when it is back."""

from __future__ import annotations

import sqlite3
from time import monotonic
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from receiver.fields import field_table
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.receipt import Receipt
from receiver.intake.source import Source
from receiver.messages import Judge, Rules, Schemas
from receiver.store import engine as engines
from receiver.web.door import Door, PushDoor, ShortWay
from receiver.web.guard import Guard
from receiver.web.metrics import Metrics
from receiver.web.proxies import Proxies
from receiver.web.push import push_blueprint
from receiver.web.turned_away import TurnedAway
from receiver.wire import RootNames
from tests.conftest import NewDatabase, StartReceiver
from tests.support.inbox import bytes_of, counts, stored
from tests.support.postgres import Cluster, StopMode
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.replies import Wrapping, read_reply, read_return

TOLD = "The push could not be stored; nothing of it is kept. Send it again later."
FAULT = {Wrapping.PLAIN: None, Wrapping.SOAP11: "Server", Wrapping.SOAP12: "Receiver"}


def is_our_fault(answer: Answer, wrapping: Wrapping = Wrapping.PLAIN) -> None:
    """The reply blames us, promises nothing, and says when to come again."""
    said = read_reply(answer, wrapping)
    assert (answer.status, said.fault, said.status) == (503, FAULT[wrapping], "error")
    assert said.error == TOLD
    assert int(answer.headers["retry-after"]) > 0
    assert answer.push_id is None


def readiness(receiver: Receiver) -> int:
    return receiver.get("/readyz").status


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_is_stopped_and_started(
    private_cluster: Cluster, start_receiver: StartReceiver, mode: StopMode
) -> None:
    receiver = start_receiver(private_cluster.url, env={"RECEIVER_DATABASE_TIMEOUT": "2"})
    pid = receiver.pid
    bodies = {w: w.around(confirmation(bookingId=str(n))) for n, w in enumerate(Wrapping)}
    unreadable = "<bookingConfirmation>"
    receiver.push(confirmation(bookingId="99"))  # so that there are connections to be lost
    assert readiness(receiver) == 200

    private_cluster.stop(mode)
    for wrapping, body in bodies.items():
        is_our_fault(receiver.push(body), wrapping)
    is_our_fault(receiver.push(unreadable))
    answer = receiver.get("/readyz")
    assert answer.status == 503
    assert b"store_unavailable" in answer.body
    assert receiver.get("/healthz").status == 200
    figures = receiver.get("/metrics")
    assert figures.status == 200
    assert b"\nreceiver_database_up 0.0\n" in figures.body

    private_cluster.start()
    kept = counts(receiver)
    assert kept["pushes"] == kept["push_bodies"] == 1
    for wrapping, body in bodies.items():
        answer = receiver.push(body)
        assert (answer.status, read_reply(answer, wrapping).status) == (200, "success"), answer.body
        assert stored(receiver, answer)["outcome"] == "stored"
        assert bytes_of(receiver, answer) == body.encode()
    answer = receiver.push(unreadable)
    assert (answer.status, stored(receiver, answer)["outcome"]) == (400, "refused")
    assert readiness(receiver) == 200
    assert b"\nreceiver_database_up 1.0\n" in receiver.get("/metrics").body
    assert receiver.pid == pid


def test_a_receiver_does_not_start_without_its_database(
    private_cluster: Cluster, start_receiver: StartReceiver
) -> None:
    receiver = start_receiver(private_cluster.url, env={"RECEIVER_DATABASE_TIMEOUT": "2"})
    receiver.stop()
    private_cluster.stop()
    done = receiver.command("serve", "--bind", f"127.0.0.1:{receiver.port}")
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("receiver: RECEIVER_DATABASE_URL: "), line
    assert str(private_cluster.port) in line


def test_another_writer_holds_an_sqlite_database(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, env={"RECEIVER_DATABASE_TIMEOUT": "0.2"})
    body = confirmation()
    before = counts(receiver)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for wrapping in Wrapping:
            is_our_fault(receiver.push(wrapping.around(body)), wrapping)
        assert readiness(receiver) == 200
        other.execute("ROLLBACK")
    other.close()
    assert counts(receiver) == before
    answer = receiver.push(body)
    assert (answer.status, read_return(answer).status) == (200, "success")


RENAMED = "ALTER TABLE bookings RENAME COLUMN contract TO contracted"
IMPOSSIBLE = "ALTER TABLE notifications ADD CHECK (position < 0)"


def is_kept_all_the_same(receiver: Receiver, statement: str) -> None:
    """With the database changed so that no push can be applied, each is answered as our fault, and its bytes kept."""
    engine = engines.create(receiver.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    for wrapping in Wrapping:
        body = wrapping.around(confirmation())
        answer = receiver.push(body)
        said = read_reply(answer, wrapping)
        assert (answer.status, said.fault, said.status) == (503, FAULT[wrapping], "error")
        assert int(answer.headers["retry-after"]) > 0
        push = stored(receiver, answer)
        assert (push["outcome"], push["reply_status"]) == ("failed", 503)
        assert bytes_of(receiver, answer) == body.encode()
    assert receiver.rows("SELECT 1 FROM notifications") == []


def test_a_database_that_does_not_know_what_it_is_told(database_url: str, start_receiver: StartReceiver) -> None:
    is_kept_all_the_same(start_receiver(database_url), RENAMED)


def test_a_database_that_never_accepts_it(new_postgres_database: NewDatabase, start_receiver: StartReceiver) -> None:
    """Not to be mistaken for another transaction that got there first, however often it is tried."""
    is_kept_all_the_same(start_receiver(new_postgres_database()), IMPOSSIBLE)


class Stumbling(Intake):
    """An intake that fails where it must not."""

    def __init__(self) -> None:
        """It needs nothing."""

    def receive(self, delivery: Delivery) -> Receipt:
        raise RuntimeError(delivery.body.decode())


@pytest.mark.parametrize("short", [True, False])
def test_a_failure_of_the_door_itself(short: bool) -> None:
    """Nothing that goes wrong on our side looks like the sender's fault, or says what was sent."""
    rules = Rules(source="drs", zone=ZoneInfo("Europe/London"))
    source = Source("drs", RootNames.of(field_table()), rules, Judge(field_table(), Schemas(field_table()), rules))
    app = Flask("door")
    doors = {"drs": Door(source, Guard())}
    metrics = Metrics()
    turned_away = TurnedAway(metrics, monotonic)
    door = PushDoor(doors, Stumbling(), metrics, turned_away, Proxies(()), 1000)
    app.register_blueprint(push_blueprint(door, field_table(), Proxies(()), None))
    if short:
        app.wsgi_app = ShortWay(door, app.wsgi_app)  # type: ignore[method-assign]
    reply = app.test_client().post("/push/drs", data=b"<comments>dentist</comments>")
    assert (reply.status_code, int(reply.headers["Retry-After"]) > 0) == (503, True)
    said = read_return(Answer(reply.status_code, {k.lower(): v for k, v in reply.headers}, reply.data))
    assert said.status == "error"
    assert "dentist" not in str(said)
