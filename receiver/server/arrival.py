"""What has come of a request so far, and whether enough of it is there for a thread to take it up."""

from __future__ import annotations

import re
from enum import Enum

MOST_HEAD = 32 * 1024
MOST_KEPT = 64 * 1024

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[^\r\n]{0,200}\r\n")
_LONGEST_SIZE = 256
_MOST_TRAILERS = 8 * 1024


class Step(Enum):
    """What is to be done with a request that is arriving."""

    WAIT = "wait"
    HAND_OVER = "hand over"
    HEAD_TOO_LARGE = "head too large"


class Arrival:
    """The bytes of one request, kept until all of it is here, or as much of a large body as is kept (64 KiB).

    It says *when* a thread reads the request and nothing of what the request means: that is the parser's alone, so
    there are never two readings of one request. In doubt it hands over. ``most_body`` is the largest body taken, in
    bytes: a longer one is handed over at once, to be refused before it comes.
    """

    def __init__(self, most_body: int) -> None:
        self.data = bytearray()
        self._most_body = most_body
        self._searched = 0
        self._head = 0
        self._wanted: int | None = None
        self._chunk = 0
        self._trailers = 0
        self._end: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the request is missing, as far as can be told: no thread will have to wait for it."""
        return self._end is not None and len(self.data) >= self._end

    @property
    def has_head(self) -> bool:
        """Whether the request line and all headers are here."""
        return self._head > 0

    def add(self, more: bytes) -> Step:
        """Keep ``more``, and say what is to be done now."""
        self.data += more
        if not self._head and (step := self._find_head()) is not None:
            return step
        if self._is_enough():
            return Step.HAND_OVER
        return Step.HEAD_TOO_LARGE if self._has_long_trailers() else Step.WAIT

    def _find_head(self) -> Step | None:
        """Look for the end of the headers in what is new; None once it is found."""
        start = max(0, self._searched - len(_END) + 1)
        found = self.data.find(_END, start)
        if max(found, 0) + len(_END) > MOST_HEAD or (found < 0 and len(self.data) > MOST_HEAD):
            return Step.HEAD_TOO_LARGE
        if found < 0:
            bare = self._has_bare_feed()
            self._searched = len(self.data)
            return Step.HAND_OVER if bare else Step.WAIT
        self._head = found + len(_END)
        self._wanted = self._wanted_of(bytes(self.data[: found + 2]).lower(), self._head)
        return None

    def _has_bare_feed(self) -> bool:
        """Whether a line ends in a line feed alone: no end of the headers can follow that the parser would take."""
        start = self._searched
        if start and self.data[start - 1] == ord("\r"):
            start -= 1
        return self.data.count(b"\n", start) != self.data.count(b"\r\n", start)

    def _wanted_of(self, head: bytes, length: int) -> int | None:
        """Bytes to wait for; None for a body whose end only its own last bytes tell. Finds the end where it is told."""
        promised = _LENGTH.findall(head)
        if b"\r\ntransfer-encoding:" in head:
            self._chunk = length
            is_plain = head.count(b"\r\ntransfer-encoding:") == 1 and b"\r\ncontent-length:" not in head
            return None if is_plain and _CHUNKED.search(head) and b"\r\nexpect:" not in head else length
        body = int(promised[0]) if promised else 0
        if len(promised) > 1 or body > self._most_body:
            return length
        self._end = length + body
        # Who expects to be told to go on waits for that, which is the thread's to say.
        return length if b"\r\nexpect:" in head else length + min(body, MOST_KEPT)

    def _is_enough(self) -> bool:
        if self._wanted is not None:
            return len(self.data) >= self._wanted
        return len(self.data) - self._head >= min(MOST_KEPT, self._most_body) or self._has_last_chunk()

    def _has_last_chunk(self) -> bool:
        """Go on from chunk to chunk; True at the end of the last, and at what is no chunk."""
        while size := _SIZE.match(self.data, self._chunk):
            length = int(size[1], 16)
            if length == 0:
                return self._has_trailers(size.end())
            self._chunk = size.end() + length + 2
        return len(self.data) - self._chunk > _LONGEST_SIZE or b"\r\n" in self.data[self._chunk :]

    def _has_trailers(self, start: int) -> bool:
        """Look for the end of what follows the last chunk, in what is new."""
        found = self.data.startswith(b"\r\n", start) or self.data.find(_END, max(start, self._trailers)) >= 0
        self._trailers = max(start, len(self.data) - len(_END) + 1)
        if found:
            self._end = start
        return found

    def _has_long_trailers(self) -> bool:
        return self._trailers > 0 and len(self.data) - self._chunk > _MOST_TRAILERS
