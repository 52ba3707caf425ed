"""Naughty texts through every field of every kind, and out of every place that shows any: the same text, or none."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from receiver.fields import Kind, field_table
from tests.hostile.naughty import CLASSES, MARKER, Sent, escaped, record, spread, wrong_records
from tests.support.receiver import Answer, Receiver
from tests.support.replies import Wrapping, read_reply

_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@dataclass(frozen=True)
class Pushed:
    """One text, sent in a record of each kind, and once more where it does not belong."""

    receiver: Receiver
    text: str
    sent: list[tuple[Sent, Answer]]
    refused: list[tuple[str, bytes, Answer]]


def _only(found: list[Any]) -> Any:
    assert len(found) == 1, found
    return found[0]


# Places. A place that comes later is one more function here.


def in_the_notifications(pushed: Pushed) -> None:
    for sent, answer in pushed.sent:
        row = pushed.receiver.one("SELECT * FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
        assert (row["status"], row["values"]) == ("applied", sent.values)


def in_the_bookings(pushed: Pushed) -> None:
    for sent, _ in pushed.sent:
        if sent.kind is not Kind.UNAVAILABILITY:
            _same_texts(sent, pushed.receiver.booking(str(sent.values["bookingId"])))


def in_the_codes(pushed: Pushed) -> None:
    group = field_table().groups["theBookingCodes"]
    for sent, _ in pushed.sent:
        if sent.kind is Kind.CONFIRMATION:
            query = "SELECT * FROM v1_booking_codes WHERE booking_id = :id"
            row = pushed.receiver.one(query, id=sent.values["bookingId"])
            entry = _only(sent.values["theBookingCodes"])  # type: ignore[arg-type]  # of a list, by the field table
            texts = {f.column: entry[f.name] for f in group.fields if f.type == "text" and f.column in row}
            assert {name: row[name] for name in texts} == texts
            assert MARKER in row["comments"]


def in_the_unavailabilities(pushed: Pushed) -> None:
    for sent, _ in pushed.sent:
        if sent.kind is Kind.UNAVAILABILITY:
            query = "SELECT * FROM v1_unavailabilities WHERE resource_id = :id"
            _same_texts(sent, pushed.receiver.one(query, id=sent.values["ResourceId"]))


def _same_texts(sent: Sent, row: dict[str, Any]) -> None:
    fields = [f for f in field_table().kinds[sent.kind].fields if f.type == "text" and f.name in sent.values]
    shown = [f for f in fields if f.column in row]
    assert len(shown) > 2
    assert {f.column: row[f.column] for f in shown} == {f.column: sent.values[f.name] for f in shown}


def in_the_problems(pushed: Pushed) -> None:
    for name, _, answer in pushed.refused:
        row = pushed.receiver.one("SELECT * FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
        assert row["status"] == "held"
        assert [p["field"] for p in row["problems"]] == [name]


def in_the_replies(pushed: Pushed) -> None:
    for _, answer in pushed.sent:
        assert (answer.status, read_reply(answer, Wrapping.PLAIN).error) == (200, None)
    for name, _, answer in pushed.refused:
        said = read_reply(answer, Wrapping.PLAIN).error or ""
        assert answer.status == 422
        assert name in said
        assert [c for c in said if unicodedata.category(c) == "Cc" or c in _BIDI] == []


def _explained(pushed: Pushed, *options: str) -> list[str]:
    files = []
    for number, body in enumerate([*(s.xml.encode() for s, _ in pushed.sent), pushed.refused[0][1]]):
        files.append(pushed.receiver.folder / f"{number}.xml")
        files[-1].write_bytes(body)
    done = pushed.receiver.command("explain", *options, *map(str, files))
    assert done.returncode == 1, done.stderr
    return done.stdout.decode().split("\n")[:-1]


def on_a_terminal(pushed: Pushed) -> None:
    """Each line is one that a harmless text would have made, and all of it can be seen."""
    shown = _explained(pushed)
    assert all(line.isprintable() for line in shown)
    assert all(line.startswith((str(pushed.receiver.folder), "  ")) for line in shown)
    assert sum(MARKER in line for line in shown) > len(pushed.sent)


def in_explained_json(pushed: Pushed) -> None:
    found = [json.loads(line) for line in _explained(pushed, "--json")]
    assert len(found) == len(pushed.sent) + 1
    for (sent, _), explained in zip(pushed.sent, found[:-1], strict=True):
        stored = json.dumps(explained["records"][0]["stored"])
        texts = [v for v in sent.values.values() if isinstance(v, str) and MARKER in v]
        assert all(json.dumps(text) in stored for text in texts)


def in_the_log(pushed: Pushed) -> None:
    pushed.receiver.request("POST", "/push/" + MARKER + "%0a%9b%22", b"<x/>")
    lines = pushed.receiver.log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert "push_answered" in events
    assert not [line for line in lines if MARKER in line]
    answered = sum(event == "push_answered" for event in events)
    known = pushed.receiver.one("SELECT count(*) AS n FROM v1_pushes")["n"]
    assert answered >= known > 0


def in_the_figures(pushed: Pushed) -> None:
    metrics, ready = pushed.receiver.get("/metrics"), pushed.receiver.get("/readyz")
    assert (metrics.status, ready.status) == (200, 200)
    assert list(text_string_to_metric_families(metrics.body.decode()))
    assert MARKER.encode() not in metrics.body + ready.body


PLACES: tuple[Callable[[Pushed], None], ...] = (
    in_the_notifications,
    in_the_bookings,
    in_the_codes,
    in_the_unavailabilities,
    in_the_problems,
    in_the_replies,
    in_the_log,
    in_the_figures,
)
# Each starts a program for each record, so these are for some texts of each sort.
SLOW_PLACES: tuple[Callable[[Pushed], None], ...] = (on_a_terminal, in_explained_json)
_SHOWN_SLOWLY = ("bidi overrides", "terminal", "line of a log", "astral")


def _pushed(receiver: Receiver, text: str) -> Pushed:
    records = [record(kind, text, number) for number, kind in enumerate(Kind, start=1)]
    wrong = [(name, xml.encode()) for kind in Kind for name, xml in wrong_records(kind, text)]
    sent = [(r, receiver.push(r.xml)) for r in records]
    return Pushed(receiver, text, sent, [(name, body, receiver.push(body)) for name, body in wrong])


@pytest.mark.parametrize("name", CLASSES)
def test_the_same_text_or_a_clean_refusal(receiver: Receiver, name: str) -> None:
    pushed = _pushed(receiver, CLASSES[name])
    for place in PLACES + (SLOW_PLACES if name in _SHOWN_SLOWLY else ()):
        place(pushed)


@pytest.mark.parametrize("kind", Kind)
def test_a_very_long_text_is_kept_whole(receiver: Receiver, kind: Kind) -> None:
    sent = record(kind, "long", 1, length=None)
    answer = receiver.push(sent.xml)
    assert answer.status == 200
    row = receiver.one("SELECT * FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
    assert row["values"] == sent.values


@pytest.mark.parametrize("name", CLASSES)
def test_in_what_no_table_knows_it_is_kept_too(receiver: Receiver, name: str) -> None:
    text = spread(CLASSES[name], 45)
    ids = "<bookingId>1</bookingId><primaryOrderNumber>A</primaryOrderNumber>"
    answer = receiver.push(f"<bookingCancellation>{ids}<odd>{escaped(text)}</odd></bookingCancellation>")
    row = receiver.one("SELECT * FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
    assert (row["status"], row["values"]["odd"]) == ("applied", text)


@pytest.mark.parametrize("control", [0x00, 0x01, 0x08, 0x0B, 0x1B, 0x1F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])
def test_what_xml_does_not_hold_is_refused_by_reference_and_as_it_is(receiver: Receiver, control: int) -> None:
    ids = "<bookingId>1</bookingId><primaryOrderNumber>A</primaryOrderNumber>"
    for raw in (f"&#{control};".encode(), f"&#x{control:x};".encode(), chr(control).encode("utf-8", "surrogatepass")):
        answer = receiver.push(
            f"<bookingCancellation>{ids}<userId>".encode() + raw + b"</userId></bookingCancellation>"
        )
        assert (answer.status, answer.said("status")) == (400, "error")
        row = receiver.one("SELECT * FROM v1_pushes WHERE id = :id", id=answer.push_id)
        assert row["outcome"] == "refused"
