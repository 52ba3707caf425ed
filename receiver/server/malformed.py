"""Answers to what never became a request that the application could see: in the door's form, quoting nothing."""

from __future__ import annotations

from http import HTTPStatus

from gunicorn.http import errors

from receiver.web.safety import SAFE_HEADERS
from receiver.wire import refusal

# The first that fits counts.
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.UnsupportedTransferCoding, 501),
    (errors.InvalidHTTPVersion, 505),
    (errors.ConfigurationProblem, 503),
    (errors.ParseException, 400),
)
_TEXTS = {
    400: "This is no HTTP request that can be read one way only, or it ended too early.",
    408: "The request did not arrive in time.",
    414: "The request's address is too long.",
    417: "The request expects what is not given here.",
    431: "The request's headers are too many or too long.",
    501: "The request's Transfer-Encoding is not known.",
    503: "The receiver failed. Send the push again later.",
    505: "The request's HTTP version is not known.",
}


def status_of(error: BaseException) -> int:
    """The status for an error of the server's parser; 503 for any that is not the sender's."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 503)


def answer(status: int, *, has_body: bool = True) -> bytes:
    """A whole HTTP reply with that status, after which the connection closes. Raises KeyError for an unlisted one."""
    reply = refusal(status, _TEXTS[status])
    headers = {
        "Connection": "close",
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
        **SAFE_HEADERS,
        **({"Retry-After": "30"} if status == 503 else {}),
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + (reply.body if has_body else b"")
