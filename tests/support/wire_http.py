"""HTTP by hand, byte by byte: for requests that no client library would send."""

from __future__ import annotations

import http.client
import selectors
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

from .receiver import Answer, Receiver


class RawConnection:
    """One TCP connection to a receiver; a context manager."""

    def __init__(self, receiver: Receiver) -> None:
        self._socket = socket.create_connection(("127.0.0.1", receiver.port), timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """The port at this end."""
        found: int = self._socket.getsockname()[1]
        return found

    def send(self, *parts: bytes | str) -> None:
        self._socket.sendall(b"".join(p.encode() if isinstance(p, str) else p for p in parts))

    def finish(self) -> None:
        """Say that nothing more will be sent; the reply can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def await_go_ahead(self) -> None:
        """Read the reply to ``Expect: 100-continue``, which the server gives when it has taken the request up."""
        expected = b"HTTP/1.1 100 Continue\r\n\r\n"
        found = b""
        while len(found) < len(expected) and (more := self._socket.recv(len(expected) - len(found))):
            found += more
        assert found == expected

    def has_answer(self, seconds: float) -> bool:
        """Whether something to read comes within ``seconds``."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def answer(self) -> Answer:
        """The reply, read to its end."""
        with closing(http.client.HTTPResponse(self._socket)) as reply:
            reply.begin()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    def everything(self) -> bytes:
        """All that comes until the connection ends, in whatever way."""
        found = b""
        with suppress(ConnectionError):
            while more := self._socket.recv(65536):
                found += more
        return found

    def answer_if_any(self) -> Answer | None:
        """The reply, or None when the connection ends without one."""
        try:
            return self.answer()
        except (http.client.HTTPException, ConnectionError):
            return None


def head(*headers: str, method: str = "POST", path: str = "/push/drs") -> str:
    """The request up to its body; ``headers`` are whole lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: receiver", "Content-Type: text/xml", *headers, "", ""])


def chunks(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The body in chunks of those sizes (the rest in one more), then the last chunk of none."""
    parts: list[bytes] = []
    for size in sizes:
        parts, body = [*parts, body[:size]], body[size:]
    found = [b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, body] if part]
    return [*found, b"0\r\n\r\n"]
