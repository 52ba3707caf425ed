"""The door for DRS: lets a source in, hands its bytes to the corridor, and answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from werkzeug.wrappers import Request

from receiver.errors import Refused, WrongCredentials
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.judging import where
from receiver.intake.receipt import Receipt
from receiver.intake.source import Source
from receiver.wire import refusal

from .answer import Answer
from .body import read_body
from .guard import Guard, read_authorization
from .metrics import Metrics
from .proxies import Proxies
from .safety import refuse_browsers
from .turned_away import NOBODY, TurnedAway

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.get_logger()
_LATER = ("Retry-After", "30")
# Whatever was stored, a resend is harmless; a 500 could pass for a fault of the sender's.
FAULT_OF_OURS = Answer(refusal(503, "The receiver failed. Send the push again later."), (_LATER,))


@dataclass(frozen=True)
class Door:
    """What one source is let in by, and how its pushes are read."""

    source: Source
    guard: Guard


class PushDoor:
    """Takes requests to the sources' addresses. ``doors`` by the source's name; ``most_bytes`` of one push."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        intake: Intake,
        metrics: Metrics,
        turned_away: TurnedAway,
        proxies: Proxies,
        most_bytes: int,
    ) -> None:
        self.doors, self._intake, self._metrics = doors, intake, metrics
        self._turned_away, self._proxies, self._most_bytes = turned_away, proxies, most_bytes

    def answer(self, name: str, request: Request) -> Answer:
        """The reply to a POST to the source ``name``."""
        started = time.perf_counter()
        door = self.doors.get(name)
        if door is None:
            self._turned_away.push(NOBODY, "unknown_source", 404, self._proxies.sender(request).address)
            return Answer(refusal(404, "There is no such source."))
        sender = self._proxies.sender(request)
        try:
            refuse_browsers(request.environ)
            door.guard.check(read_authorization(request), sender)
            body = read_body(request, self._most_bytes)
        except Refused as error:
            self._turned_away.push(name, error.reason, error.status, sender.address)
            return _refused(error)
        address = str(sender.address) if sender.address is not None else None
        receipt = self._intake.receive(Delivery(door.source, body, request.content_type, address))
        seconds = time.perf_counter() - started
        self._metrics.answered(name, receipt, seconds)
        _log_push(name, receipt, len(body), seconds)
        return _answer(receipt)


class ShortWay:
    """In front of the application: pushes to known sources go straight to the door.

    The framework's way there and back, for any page at any address, would be a good part of a push's time. What a push
    is answered is the door's either way.
    """

    def __init__(self, door: PushDoor, application: WSGIApplication) -> None:
        self._door, self._application = door, application
        self._names = {f"/push/{name}": name for name in door.doors}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = self._names.get(environ["PATH_INFO"])
        if name is None or environ["REQUEST_METHOD"] != "POST":
            return self._application(environ, start_response)
        try:
            answer = self._door.answer(name, Request(environ))
        except Exception as error:  # noqa: BLE001 - the sender must hear a no, whatever happened
            _log.error("push_not_answered", error=type(error).__name__, where=where(error))
            answer = FAULT_OF_OURS
        return answer.send(start_response)


def _refused(error: Refused) -> Answer:
    headers = []
    if isinstance(error, WrongCredentials):
        headers.append(("WWW-Authenticate", 'Basic realm="DRS pushes", charset="UTF-8"'))
    if error.can_retry:
        headers.append(_LATER)
    return Answer(refusal(error.status, str(error)), tuple(headers))


def _log_push(name: str, receipt: Receipt, size: int, seconds: float) -> None:
    _log.info(
        "push_answered",
        push_id=receipt.push_id,
        source=name,
        kind=receipt.kind,
        outcome=receipt.outcome,
        records=receipt.records,
        held=receipt.held,
        reason=receipt.reason,
        status=receipt.reply.status,
        size_bytes=size,
        milliseconds=round(seconds * 1000, 1),
    )


def _answer(receipt: Receipt) -> Answer:
    headers = []
    if receipt.push_id is not None:
        headers.append(("Receiver-Push-Id", receipt.push_id))
    if receipt.retry_after is not None:
        headers.append(("Retry-After", str(receipt.retry_after)))
    return Answer(receipt.reply, tuple(headers))
