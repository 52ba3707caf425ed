"""When a request is handed to a thread: as soon as it is whole, however it comes, and never too late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.server.arrival import MOST_HEAD, MOST_KEPT, Arrival, Step
from tests.support.wire_http import chunks, head

MOST = 1_000_000
BODIES = st.binary(max_size=300)


def feed(data: bytes, sizes: list[int]) -> tuple[Step, int, Arrival]:
    """Give the bytes in pieces of those sizes, over and over; the last step, and after how many bytes it came."""
    arrival, at, turn = Arrival(MOST), 0, 0
    step = Step.WAIT
    while step is Step.WAIT and at < len(data):
        piece = data[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(piece), turn + 1
        step = arrival.add(piece)
    return step, at, arrival


@given(BODIES, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_a_body_of_a_length(body: bytes, sizes: list[int]) -> None:
    data = head(f"Content-Length: {len(body)}").encode() + body
    step, at, arrival = feed(data, sizes)
    assert (step, at, arrival.is_whole, bytes(arrival.data)) == (Step.HAND_OVER, len(data), True, data)


@given(
    BODIES,
    st.lists(st.integers(1, 50), max_size=5),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.sampled_from([b"", b"X: 1\r\n", b"X: 1\r\nY: 2\r\n"]),
)
def test_a_body_in_chunks(body: bytes, parts: list[int], sizes: list[int], trailers: bytes) -> None:
    """Whatever is in the chunks, an end of chunks included."""
    coded = b"".join(chunks(body, parts)).removesuffix(b"\r\n") + trailers + b"\r\n"
    data = head("Transfer-Encoding: chunked").encode() + coded
    step, at, arrival = feed(data, sizes)
    assert (step, at, arrival.is_whole) == (Step.HAND_OVER, len(data), True)


@given(st.binary(max_size=3000), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_anything_at_all(data: bytes, sizes: list[int]) -> None:
    feed(data, sizes)
    feed(head("Transfer-Encoding: chunked").encode() + data, sizes)


@pytest.mark.parametrize(
    ("data", "step", "whole"),
    [
        (head(method="GET"), Step.HAND_OVER, True),
        ("\r\n" + head(method="GET"), Step.HAND_OVER, True),
        (head("Content-Length: 10"), Step.WAIT, False),
        (head("Content-Length: 10", "Expect: 100-continue"), Step.HAND_OVER, False),
        (head("Content-Length: 10", "expect: 100-continue") + "0123456789", Step.HAND_OVER, True),
        (head(f"Content-Length: {MOST + 1}"), Step.HAND_OVER, False),
        (head("Content-Length: 10", "Content-Length: 10"), Step.HAND_OVER, False),
        (head("Content-Length: 10", "Transfer-Encoding: chunked"), Step.HAND_OVER, False),
        (head("Transfer-Encoding: gzip"), Step.HAND_OVER, False),
        (head("Transfer-Encoding: chunked"), Step.WAIT, False),
        (head("Transfer-Encoding: chunked") + "zz\r\n", Step.HAND_OVER, False),
        (head("Transfer-Encoding: chunked") + "f" * 300, Step.HAND_OVER, False),
        (head("Content-Length: 100000") + " " * (MOST_KEPT - 1), Step.WAIT, False),
        (head("Content-Length: 100000") + " " * MOST_KEPT, Step.HAND_OVER, False),
        (head("Transfer-Encoding: chunked") + "fffff\r\n" + " " * MOST_KEPT, Step.HAND_OVER, False),
        ("GET / HTTP/1.1\nHost: a\n", Step.HAND_OVER, False),
        ("GET / HTTP/1.1\r\n" + "X: 1\r\n" * MOST_HEAD, Step.HEAD_TOO_LARGE, False),
        ("x" * (MOST_HEAD + 1), Step.HEAD_TOO_LARGE, False),
    ],
)
def test_what_is_done(data: str, step: Step, whole: bool) -> None:
    arrival = Arrival(MOST)
    assert (arrival.add(data.encode()), arrival.is_whole) == (step, whole)


class Counting(bytearray):
    """Bytes that count how many of them were searched."""

    searched = 0

    def find(self, sub: object, start: int = 0, end: int | None = None) -> int:  # type: ignore[override] # narrower
        self.searched += max(0, len(self) - start)
        return super().find(sub, start)  # type: ignore[arg-type] # passed on as it came


def test_trailers_byte_by_byte_are_read_once_and_bounded() -> None:
    arrival = Arrival(MOST)
    arrival.data = Counting()
    assert arrival.add(head("Transfer-Encoding: chunked").encode() + b"0\r\n") is Step.WAIT
    step, given_bytes = Step.WAIT, 0
    while step is Step.WAIT and given_bytes < MOST_KEPT:
        step, given_bytes = arrival.add(b"x"), given_bytes + 1
    assert step is Step.HEAD_TOO_LARGE
    assert given_bytes < 10_000
    assert arrival.data.searched < 10 * given_bytes
