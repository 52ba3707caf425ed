"""Bodies that break off: wherever, and however the connection ends, no row is left of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import accumulate, count
from pathlib import Path

import pytest

from tests.support.inbox import bytes_of, counts
from tests.support.postgres import empty_database
from tests.support.pushes import CODE, confirmation
from tests.support.receiver import Receiver
from tests.support.replies import read_return
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, chunks, head

MOST = 200_000
OFFSETS = 100
SIZES = [1, 2, 15, 16, 300, 4096, 10]
_ids = count(1)


class Ending(Enum):
    """How a sender's side of the connection ends."""

    FIN = "closed"
    HALF_CLOSE = "nothing more is sent, the reply is awaited"
    RST = "reset"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def receiver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("cuts")
    env = {"RECEIVER_MAX_PUSH_BYTES": str(MOST)}
    if request.param == "sqlite":
        with Receiver(f"sqlite:///{folder / 'receiver.db'}", folder, env=env) as found:
            yield found
        return
    with (
        empty_database(request.getfixturevalue("postgres_url")) as url,
        Receiver(url, folder, env=env) as found,
    ):
        yield found


@pytest.fixture
def body() -> bytes:
    """A push that no other test sends, larger than what the server reads at once."""
    codes = [{**CODE, "comments": "x" * 150}] * 40
    return confirmation(bookingId=str(next(_ids)), codes=codes).encode()


def spread(end: int, number: int) -> list[int]:
    """That many offsets before ``end``: the first, the last, and between them evenly."""
    return sorted({round(n * (end - 1) / (number - 1)) for n in range(number)})


def connections(receiver: Receiver) -> int:
    """How many connections the receiver has not yet closed on its side."""
    local = f":{receiver.port:04X}"
    states = ("01", "08")  # established, and closed by the sender alone
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(local) and row[3] in states for row in rows)


def cut(receiver: Receiver, headers: Sequence[str], sent: bytes, ending: Ending) -> int | None:
    """Send that much and no more. The reply's status, where the sender can still hear one.

    The server has taken the request up before the connection ends: it asks for the body.
    """
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=60) as connection:
        connection.sendall(head(*headers, "Expect: 100-continue").encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(sent)
        if ending is Ending.HALF_CLOSE:
            connection.shutdown(socket.SHUT_WR)
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
            assert b"<status>error</status>" in reply
            return int(reply.split()[1])
        if ending is Ending.RST:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return None


def leaves_nothing(receiver: Receiver, headers: Sequence[str], parts: Sequence[bytes], ending: Ending) -> None:
    """However little of it came, there is no row, and whoever can hear it is told so."""
    before = counts(receiver)
    for sent in parts:
        assert cut(receiver, headers, sent, ending) == (400 if ending is Ending.HALF_CLOSE else None), len(sent)
    wait_until(lambda: connections(receiver) == 0, describe="the receiver is done with every connection")
    assert counts(receiver) == before


@pytest.mark.parametrize("ending", Ending)
def test_a_body_shorter_than_promised(receiver: Receiver, body: bytes, ending: Ending) -> None:
    parts = [body[:offset] for offset in spread(len(body), OFFSETS)]
    leaves_nothing(receiver, [f"Content-Length: {len(body)}"], parts, ending)


@pytest.mark.parametrize("ending", Ending)
def test_a_whole_document_of_which_more_was_promised(receiver: Receiver, body: bytes, ending: Ending) -> None:
    """What came could be read and applied: that it is not whole can be known from the promise alone."""
    for missing in (1, 2, 1000, MOST - len(body)):
        leaves_nothing(receiver, [f"Content-Length: {len(body) + missing}"], [body], ending)


@pytest.mark.parametrize("ending", Ending)
def test_chunks_cut_anywhere(receiver: Receiver, body: bytes, ending: Ending) -> None:
    whole = b"".join(chunks(body, SIZES))
    parts = [whole[:offset] for offset in spread(len(whole), OFFSETS)]
    leaves_nothing(receiver, ["Transfer-Encoding: chunked"], parts, ending)


@pytest.mark.parametrize("ending", Ending)
def test_chunks_cut_at_every_boundary(receiver: Receiver, body: bytes, ending: Ending) -> None:
    """The last of these is the whole document, without the chunk that says so."""
    found = chunks(body, [*SIZES, *[128] * 100])
    parts = [b"".join(found)[:end] for end in accumulate(len(part) for part in found[:-1])]
    leaves_nothing(receiver, ["Transfer-Encoding: chunked"], parts, ending)


@pytest.mark.parametrize("ending", Ending)
def test_a_last_chunk_that_is_not_whole(receiver: Receiver, body: bytes, ending: Ending) -> None:
    *found, last = chunks(body, SIZES)
    parts = [b"".join(found) + last[:end] for end in range(len(last))]
    leaves_nothing(receiver, ["Transfer-Encoding: chunked"], parts, ending)


@pytest.mark.parametrize("beyond", [1, 2, 100, MOST])
def test_chunks_over_the_limit(receiver: Receiver, body: bytes, beyond: int) -> None:
    """A whole document within the limit, and white space that goes over it: taken, it would be a cut body."""
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(
            head("Transfer-Encoding: chunked"), *chunks(body.ljust(MOST + beyond), [len(body), *[9999] * 50])
        )
        answer = connection.answer()
    assert (answer.status, read_return(answer).status) == (413, "error")
    assert counts(receiver) == before


def test_the_same_bodies_whole(receiver: Receiver, body: bytes) -> None:
    """What these tests send would be stored, had it been sent to its end."""
    other = body.replace(b"JSMITH", b"AJONES")
    with RawConnection(receiver) as connection:
        for headers, sent, wanted in (
            ([f"Content-Length: {len(body)}"], [body], body),
            (["Transfer-Encoding: chunked"], chunks(other, SIZES), other),
        ):
            connection.send(head(*headers, "Expect: 100-continue"))
            connection.await_go_ahead()
            connection.send(*sent)
            answer = connection.answer()
            assert answer.status == 200
            assert bytes_of(receiver, answer) == wanted
