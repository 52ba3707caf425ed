"""Logs: JSON lines that name the push, and nothing of what is in it, whatever goes wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode

import pytest

from receiver.fields import Field, Group, Kind, KindTable, field_table
from receiver.fields.table import FieldType
from receiver.store import engine as engines
from tests.conftest import NewDatabase, StartReceiver
from tests.support.postgres import Cluster
from tests.support.pushes import SOAP12, element, form_a, soap
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, head

# Every value that is sent holds one of these two: letters where there may be any, digits where not.
WORD, DIGITS = "Qx7marker", "8675309"
ENV = {
    "RECEIVER_LOG_LEVEL": "debug",
    "RECEIVER_PUSH_USERNAME": f"{WORD}-user",
    "RECEIVER_PUSH_PASSWORD": f"{WORD}-pass",
}


def marked(found: Field) -> str:
    """A valid value that can be recognised, or a time: those are nobody's secret."""
    match found.type:
        case FieldType.DATETIME:
            return "2021-07-02T08:00:00"
        case FieldType.INTEGER | FieldType.BOOKING_ID:
            return DIGITS
        case FieldType.TEXTS:
            return element("value", WORD)
        case FieldType.TEXT:
            return "New" if found.name == "Action" else f"{WORD}-{found.name}"[:50]


def marked_group(part: KindTable | Group) -> str:
    """Every field of the part, and of what is in it."""
    own = "".join(element(f.name, marked(f)) for f in part.fields)
    return own + "".join(element(g.name, marked_group(g)) for g in part.groups)


def marked_record(kind: Kind) -> str:
    table = field_table().kinds[kind]
    return element(table.root, marked_group(table) + element("unheardOf", WORD))


def with_credentials(receiver: Receiver, body: str | bytes) -> int:
    given = b64encode(f"{WORD}-user:{WORD}-pass".encode()).decode()
    return receiver.push(body, Authorization=f"Basic {given}").status


def push_everything(receiver: Receiver) -> dict[str, int]:
    """Pushes of every kind and ending; the status of each."""
    pushes: dict[str, str | bytes] = {str(kind): marked_record(kind) for kind in Kind}
    good = pushes["confirmation"]
    assert isinstance(good, str)
    pushes |= {
        "again": good,
        "soap": form_a("bookingCancellation", marked_record(Kind.CANCELLATION)[len("<bookingCancellation>") :]),
        "invalid": good.replace(">2021-07-02T08:00:00<", f">{WORD}-time<"),
        "too long": good.replace(f"{WORD}-contract", WORD * 50),
        "unknown action": marked_record(Kind.UNAVAILABILITY).replace(">New<", f">{WORD}-action<"),
        "unreadable": good.replace("</userId>", ""),
        "unreadable names": f"<{WORD}><{WORD}-inner></{WORD}>",
        "undefined entity": good.replace(DIGITS, f"&{WORD};"),
        "encoding": f'<?xml version="1.0" encoding="{WORD}"?>{good}',
        "unknown root": element(WORD, element("bookingId", WORD)),
        "unknown wrapper": element(WORD, good),
        "unknown root in soap": soap(element(WORD, good), SOAP12),
        "header": soap(good).replace(
            "<e:Header/>", f'<e:Header><{WORD} e:mustUnderstand="1">{WORD}</{WORD}></e:Header>'
        ),
        "doctype": f'<!DOCTYPE a SYSTEM "{WORD}">{good}',
        "latin": good.encode() + b"\xe9",
    }
    return {name: with_credentials(receiver, body) for name, body in pushes.items()}


def is_clean(receiver: Receiver) -> None:
    """Nothing of a push, and no credentials, are anywhere in what the receiver has said; every line is JSON."""
    said = receiver.log.read_text()
    assert said
    for marker in (WORD, WORD.lower(), DIGITS, "Authorization"):
        found = [line for line in said.splitlines() if marker.lower() in line.lower()]
        assert found == []
    for line in said.splitlines():
        assert isinstance(json.loads(line), dict), line


def test_every_push_is_logged_by_its_id(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, env=ENV)
    statuses = push_everything(receiver)
    assert {statuses[str(kind)] for kind in Kind} == {200}
    assert (statuses["invalid"], statuses["too long"], statuses["unreadable"]) == (422, 422, 400)
    kept = receiver.rows("SELECT id, source, outcome, records, reply_status, size_bytes, kind, held FROM pushes")
    assert len(kept) == len(statuses)
    lines = {line["push_id"]: line for line in receiver.log_lines() if line["event"] == "push_answered"}
    assert set(lines) == {push["id"] for push in kept}
    for push in kept:
        line = lines[push["id"]]
        for name in ("source", "outcome", "records", "held", "size_bytes"):
            assert line[name] == push[name]
        assert line["status"] == push["reply_status"]
        assert line["level"] == "info"
        assert line["milliseconds"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    is_clean(receiver)


def test_a_push_turned_away_is_logged_without_what_it_said(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, env=ENV | {"RECEIVER_MAX_PUSH_BYTES": "1000"})
    assert receiver.push(WORD, Authorization=f"Basic {WORD}").status == 401
    assert with_credentials(receiver, WORD * 1000) == 413
    assert receiver.push(WORD, source=WORD).status == 404
    turned_away = [line for line in receiver.log_lines() if line["event"] == "push_turned_away"]
    assert [(line["source"], line["reason"], line["status"]) for line in turned_away] == [
        ("drs", "credentials", 401),
        ("drs", "too_large", 413),
        ("-", "unknown_source", 404),
    ]
    assert {line["address"] for line in turned_away} == {"127.0.0.1"}
    is_clean(receiver)


NO_REQUESTS = [
    head("Content-Length: 3") + f"<a><comments>{WORD} has a dentist</comments></a>\r\n\r\n",
    head("Content-Length: 3") + f"<a>{WORD} /{WORD} HTTP/1.1\r\n\r\n",
    f"{WORD}\r\n\r\n",
    f"GET /{WORD} HTTP/{WORD}\r\n\r\n",
    head(f"{WORD} : 1"),
    head(f"Content-Length: {WORD}"),
    head(f"Transfer-Encoding: {WORD}"),
    head(f"Expect: {WORD}"),
    head(path=f"/push/drs?{WORD}={WORD}"),
    head(method="GET", path=f"/{WORD}/{WORD}"),
    head("Transfer-Encoding: chunked") + f"{WORD}\r\n\r\n",
    head("Transfer-Encoding: chunked") + f"0\r\n{WORD}\r\n\r\n",
]


def test_what_is_no_request_is_not_quoted(sqlite_url: str, start_receiver: StartReceiver) -> None:
    """A push whose length is wrong goes on where the next request should begin."""
    receiver = start_receiver(sqlite_url, env={"RECEIVER_LOG_LEVEL": "debug"})
    for request in NO_REQUESTS:
        with RawConnection(receiver) as connection:
            connection.send(request)
            connection.finish()
            while connection.answer_if_any() is not None:
                pass
    events = [line["reason"] for line in receiver.log_lines() if line["event"] == "request_turned_away"]
    assert events.count("malformed_request") >= 8
    is_clean(receiver)


def damage(receiver: Receiver, statements: str) -> None:
    engine = engines.create(receiver.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)
    engine.dispose()


QUOTING = """
CREATE FUNCTION quoting() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''%%'', NEW; END';
CREATE TRIGGER quoting BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION quoting();
"""
REFUSING = "ALTER TABLE notifications ADD CHECK (position < 0)"
GONE = "DROP TABLE pushes CASCADE"


@pytest.mark.parametrize("statements", [QUOTING, REFUSING, GONE], ids=["quoting", "refusing", "gone"])
def test_a_fault_of_ours_is_logged_without_what_was_sent(
    new_postgres_database: NewDatabase, start_receiver: StartReceiver, statements: str
) -> None:
    """PostgreSQL's own messages quote the row that fails."""
    receiver = start_receiver(new_postgres_database(), env=ENV)
    damage(receiver, statements)
    statuses = push_everything(receiver)
    assert statuses["confirmation"] == 503
    events = {line["event"] for line in receiver.log_lines()}
    assert events & {"push_failed", "push_not_stored"}
    for line in receiver.log_lines():
        if line["event"] in ("push_failed", "push_not_stored"):
            assert line["push_id"]
            assert line["level"] == "error"
    is_clean(receiver)


def test_a_database_that_is_down_is_logged_without_what_was_sent(
    private_cluster: Cluster, start_receiver: StartReceiver
) -> None:
    receiver = start_receiver(private_cluster.url, env=ENV | {"RECEIVER_DATABASE_TIMEOUT": "2"})
    private_cluster.stop()
    assert set(push_everything(receiver).values()) == {503}
    receiver.get("/readyz")
    receiver.get("/metrics")
    events = [line["event"] for line in receiver.log_lines()]
    assert "push_not_stored" in events
    assert "metrics_without_database" in events
    is_clean(receiver)


def test_starting_and_stopping_are_logged_as_json_too(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, env=ENV, workers=2)
    wait_until(lambda: len([line for line in receiver.log_lines() if "Booting worker" in line["event"]]) == 2)
    assert receiver.stop() == 0
    starting = [line for line in receiver.log_lines() if line["event"] == "starting"]
    assert [(line["bind"], line["sources"]) for line in starting] == [(f"127.0.0.1:{receiver.port}", ["drs"])]
    is_clean(receiver)


FAILING = """
import logging
from flask import Flask
import structlog
from receiver import log

log.configure("debug")
app = Flask("failing")

@app.get("/")
def fail():
    raise ValueError("Qx7marker of a caller")

app.test_client().get("/")
try:
    raise LookupError("Qx7marker of a library")
except LookupError:
    logging.getLogger("library").exception("it failed")
    logging.getLogger("library").error("it failed", exc_info=True)
    structlog.get_logger().exception("it failed")
"""


def test_an_exception_is_logged_by_its_type_alone() -> None:
    """Messages of exceptions, and the lines around them, quote what was sent."""
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=True)
    assert WORD not in done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["error"] for line in lines] == ["ValueError", "LookupError", "LookupError", "LookupError"]
    assert {line["level"] for line in lines} == {"error"}
