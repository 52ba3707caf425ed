"""The bench itself: that every contender stores what it is measured for, and that it says so when one does not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from receiver.fields import field_table
from receiver.wire import Limits, Reading, RootNames

from . import __main__ as bench
from . import load
from .documents import Form, Requests
from .figures import Figure
from .reading import NEW_PUSH, Rows, RowsMissing
from .report import remember, table

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess"


@contextmanager
def server(answer: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A loopback server of one connection; ``answer`` gives the pieces that are sent for what has come."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while (data := connection.recv(65536)) and (pieces := answer(data)):
                    for piece in pieces:
                        connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(30)


def test_quick_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Servers start, take pushes, and their databases hold them: the run itself counts the rows after every turn."""
    written = tmp_path / "figures.json"
    assert bench.main(["--quick", "--only", "latency", "duplicates", "sqlite", "--json", str(written)]) == 0
    found = json.loads(written.read_text())
    assert all(figure["ratio"] > 0 for figure in found["figures"])
    assert all(leg["pushes"] > 0 for leg in found["legs"].values())
    assert {"floor 2", "receiver 2", "receiver 2 again", "floor sqlite", "receiver sqlite"} <= set(found["legs"])
    assert found["postgresql"]["fsync"] == found["postgresql"]["synchronous_commit"] == "on"
    assert "duplicates a second over new ones" in capsys.readouterr().out


def said(body: bytes) -> list[tuple[str, str]]:
    """What the only record of a push says, as the corridor reads it: names without case, in no order."""
    found = []
    for record in Reading(body, RootNames.of(field_table()), Limits()).records():
        elements = [element for element in record.element.iter() if element.text]
        found.append(sorted((etree.QName(element).localname.lower(), str(element.text)) for element in elements))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("form", list(Form))
def test_forms_say_the_same(form: Form) -> None:
    """Each form is the same confirmation with two codes, of about 2.2 KB, and every number gives another booking."""
    bodies = []
    for request in Requests(form, 80, "/").render(41, 2):
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert 1900 < len(body) < 2500
        bodies.append(body)
    one, other = map(said, bodies)
    plain = said(Requests(Form.BEST, 80, "/").render(41, 1)[0].partition(b"\r\n\r\n")[2])
    assert one == plain
    assert [name for name, _ in one].count("bookingcodesorcode") == 2
    assert ("bookingid", "0000000041") in one
    assert ("bookingid", "0000000042") in other


def test_replies_in_pieces_are_put_together() -> None:
    with server(lambda _: [REPLY[:9], REPLY[9:30], REPLY[30:]]) as port:
        found = load.run(port, [b"POST / HTTP/1.1\r\n\r\n"] * 5, clients=1, seconds=30)
    assert (found.pushes, len(found.latencies)) == (5, 5)


@pytest.mark.parametrize(
    "reply",
    [
        REPLY.replace(b"200 OK", b"503 No"),
        REPLY.replace(b"success", b"failure"),
        b"",
    ],
    ids=["not 200", "not success", "closed"],
)
def test_what_is_no_success_fails_the_run(reply: bytes) -> None:
    with server(lambda _: [reply] if reply else []) as port, pytest.raises(load.LoadFailed):
        load.run(port, [b"POST / HTTP/1.1\r\n\r\n"] * 5, clients=1, seconds=30)


def test_a_missing_row_fails_the_run() -> None:
    before, after = Rows(dict.fromkeys(NEW_PUSH, 3)), Rows({t: 3 + 10 * n for t, n in NEW_PUSH.items()})
    after.check(before, 10, NEW_PUSH, "someone")
    with pytest.raises(RowsMissing, match="someone"):
        after.check(before, 11, NEW_PUSH, "someone")


def test_medians_and_bounds(tmp_path: Path) -> None:
    """A figure is the median of its rounds, and both kinds of bound are told."""
    figures = [
        Figure("fast", [0.9, 0.7, 0.1], 0.6, 0.8),
        Figure("slow", [3.0, 2.0, 1.0], 1.7, 1.4, at_most=True),
        Figure("told", [1.0]),
    ]
    fast, slow, told = table(figures).splitlines()[1:]
    assert "0.70" in fast
    assert fast.endswith("below the aim")
    assert slow.endswith("BELOW WHAT IS REQUIRED")
    assert told.split()[-1] == "1.00"
    history = tmp_path / "history.jsonl"
    for _ in range(2):
        remember({"at": "now", "commit": "c", "changed": False, "machine": {"usable_cores": 2}}, figures, history)
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [line["ratios"]["slow"] for line in lines] == [2.0, 2.0]
