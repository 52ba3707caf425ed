"""What the door answers, on its way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response

from receiver.wire import Reply

from .safety import SAFE_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}
_SAFE = tuple(SAFE_HEADERS.items())


@dataclass(frozen=True)
class Answer:
    """A reply, with the HTTP headers that it has beside its media type and length."""

    reply: Reply
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application does, with what every reply says to browsers."""
        reply = self.reply
        own = ("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))
        start_response(_LINES[reply.status], [*own, *self.headers, *_SAFE])
        return (reply.body,)

    def response(self) -> Response:
        """The same for Flask."""
        reply = self.reply
        return Response(reply.body, reply.status, list(self.headers), content_type=reply.content_type)
