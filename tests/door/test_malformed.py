"""What is no HTTP request, or could be read two ways: refused in the door's form, counted, quoting nothing, closed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver
from tests.support.replies import read_return
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, head

from .conftest import StartShared
from .test_routes import SAFE

MARK = "Qx7marker"
PUSH = confirmation()
SECOND = f"POST /push/drs HTTP/1.1\r\nHost: a\r\nContent-Length: {len(PUSH)}\r\n\r\n{PUSH}"


@dataclass(frozen=True)
class Bad:
    """Bytes, and the status they are answered."""

    sent: str | bytes
    status: int = 400


def get(line: str, *headers: str) -> str:
    return "\r\n".join([line, "Host: a", *headers, "", ""])


CL = f"Content-Length: {len(PUSH)}"
CHUNKED = "Transfer-Encoding: chunked"
BAD: dict[str, Bad] = {
    "no request": Bad(f"{MARK}\r\n\r\n"),
    "no target": Bad(f"GET HTTP/1.1\r\nX: {MARK}\r\n\r\n"),
    "an address with a space": Bad(get(f"GET /{MARK} x HTTP/1.1"), 505),
    "an address with NUL": Bad(get(f"GET /{MARK}\0 HTTP/1.1")),
    "an address not in ASCII": Bad(get(f"GET /é{MARK} HTTP/1.1")),
    "an address that is another's": Bad(get(f"GET {MARK}:80 HTTP/1.1")),
    "a method in small letters": Bad(get("get /healthz HTTP/1.1")),
    "a method of signs": Bad(get("G\x01T /healthz HTTP/1.1")),
    "version 0.9": Bad(get("GET /healthz HTTP/0.9"), 505),
    "version 2": Bad(get("GET /healthz HTTP/2.0"), 505),
    "another version": Bad(get(f"GET /healthz {MARK}"), 505),
    "TLS": Bad(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MARK.encode() + b"\r\n\r\n"),
    "an address too long": Bad(get(f"GET /{MARK}{'x' * 5000} HTTP/1.1"), 414),
    "a header too long": Bad(get("GET /healthz HTTP/1.1", f"X: {MARK}{'x' * 9000}"), 431),
    "too many headers": Bad(get("GET /healthz HTTP/1.1", *[f"X-{MARK}: 1"] * 200), 431),
    "headers too large together": Bad(get("GET /healthz HTTP/1.1", *[f"X: {MARK}{'x' * 900}"] * 40), 431),
    "headers that never end": Bad("GET /healthz HTTP/1.1\r\n" + f"X: {MARK}\r\n" * 5000, 431),
    "a header without a colon": Bad(get("GET /healthz HTTP/1.1", MARK)),
    "a header without a name": Bad(get("GET /healthz HTTP/1.1", f": {MARK}")),
    "a header's name with a space": Bad(head(f"{CL[:14]} :{CL[15:]}") + PUSH),
    "a folded header": Bad(get("GET /healthz HTTP/1.1", f"X: 1\r\n {MARK}")),
    "a header with NUL": Bad(get("GET /healthz HTTP/1.1", f"X: {MARK}\0")),
    "a header with CR": Bad(get("GET /healthz HTTP/1.1", f"X: {MARK}\rY: 1")),
    "lines that end in LF": Bad(f"GET /healthz HTTP/1.1\nHost: {MARK}\n\n"),
    "one line that ends in LF": Bad(f"GET /healthz HTTP/1.1\r\nHost: {MARK}\n\r\n"),
    "two hosts": Bad(get("GET /healthz HTTP/1.1", f"Host: {MARK}")),
    "a length in words": Bad(head(f"Content-Length: {MARK}") + PUSH),
    "a length with a sign": Bad(head(f"Content-Length: +{len(PUSH)}") + PUSH),
    "a length below nothing": Bad(head("Content-Length: -1") + PUSH),
    "two lengths": Bad(head(CL, "Content-Length: 5") + PUSH),
    "the same length twice": Bad(head(CL, CL) + PUSH),
    "lengths in a list": Bad(head(f"Content-Length: {len(PUSH)}, {len(PUSH)}") + PUSH),
    "a length and chunks": Bad(head(CL, CHUNKED) + f"0\r\n\r\n{SECOND}"),
    "chunks and a length": Bad(head(CHUNKED, "Content-Length: 5") + f"0\r\n\r\n{SECOND}"),
    "chunks in chunks": Bad(head("Transfer-Encoding: chunked, chunked") + f"0\r\n\r\n{SECOND}"),
    "chunks twice": Bad(head(CHUNKED, CHUNKED) + f"0\r\n\r\n{SECOND}"),
    "chunks not last": Bad(head("Transfer-Encoding: chunked, gzip") + f"0\r\n\r\n{SECOND}"),
    "chunks nearly": Bad(head("Transfer-Encoding: xchunked") + f"0\r\n\r\n{SECOND}", 501),
    "chunks with a sign before": Bad(head("Transfer-Encoding: \x0bchunked") + f"0\r\n\r\n{SECOND}"),
    "chunks in HTTP/1.0": Bad(head(CHUNKED).replace("HTTP/1.1", "HTTP/1.0") + f"0\r\n\r\n{SECOND}"),
    "an expectation": Bad(head(CL, f"Expect: {MARK}") + PUSH, 417),
}


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    return start_shared(env={"RECEIVER_LOG_LEVEL": "debug"})


def counted(receiver: Receiver, reason: str = "malformed_request") -> float:
    name = f'receiver_turned_away_total{{reason="{reason}",source="-"}} '
    lines = receiver.get("/metrics").body.decode().splitlines()
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_request(receiver: Receiver, name: str) -> None:
    """One reply, then the end: what follows on the connection is not read as another request."""
    bad, rows, before = BAD[name], counts(receiver), counted(receiver)
    with RawConnection(receiver) as connection:
        connection.send(bad.sent)
        answer = connection.answer()
        assert connection.answer_if_any() is None
    said = read_return(answer)
    assert (answer.status, said.status, answer.headers["connection"]) == (bad.status, "error", "close")
    assert {k: v for k, v in answer.headers.items() if k in SAFE} == SAFE
    shown = f"{answer.headers} {answer.body.decode()}".lower()
    assert [word for word in (MARK.lower(), "gunicorn", "python", "traceback", "html") if word in shown] == []
    wait_until(lambda: counted(receiver) == before + 1, describe="it is counted")
    assert counts(receiver) == rows
    assert MARK not in receiver.log.read_text()
    line = [line for line in receiver.log_lines() if line["event"] == "request_turned_away"][-1]
    assert (line["reason"], line["status"]) == ("malformed_request", bad.status)


def test_a_length_and_a_coding_of_two_spellings(receiver: Receiver) -> None:
    """A header's name with an underscore is dropped, not read as the one with a hyphen."""
    rows = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(head("Transfer_Encoding: chunked", "Content-Length: 5"), "0\r\n\r\n")
        assert connection.answer().status == 400
    assert counts(receiver)["bookings"] == rows["bookings"]


def test_requests_one_behind_the_other(receiver: Receiver) -> None:
    """Several whole requests at once are several requests; each is answered, in order."""
    with RawConnection(receiver) as connection:
        connection.send(SECOND, SECOND, head(CHUNKED), f"{len(PUSH):x}\r\n{PUSH}\r\n0\r\n\r\n", SECOND)
        assert [connection.answer().status for _ in range(4)] == [200] * 4


def test_a_request_in_pieces(receiver: Receiver) -> None:
    for request in (SECOND, head(CHUNKED) + f"{len(PUSH):x}\r\n{PUSH}\r\n0\r\n\r\n", get("GET /healthz HTTP/1.1")):
        for size in (1, 7, 40):
            with RawConnection(receiver) as connection:
                for start in range(0, len(request), size):
                    connection.send(request[start : start + size])
                assert connection.answer().status == 200
