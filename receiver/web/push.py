"""The door for DRS: lets a source in, hands its bytes to the corridor, and answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import InternalServerError

from receiver.errors import Refused, WrongCredentials
from receiver.fields import FieldTable
from receiver.intake import Delivery, Intake, Receipt, Source
from receiver.wire import Reply, refusal, wsdl

from .body import read_body
from .guard import Guard, read_authorization
from .metrics import Metrics
from .proxies import Proxies
from .safety import refuse_browsers
from .turned_away import NOBODY, TurnedAway

_log = structlog.get_logger()
_RETRY_AFTER = 30


@dataclass(frozen=True)
class Door:
    """What one source is let in by, and how its pushes are read."""

    source: Source
    guard: Guard


def push_blueprint(
    doors: Mapping[str, Door],
    intake: Intake,
    table: FieldTable,
    metrics: Metrics,
    turned_away: TurnedAway,
    proxies: Proxies,
    most_bytes: int,
    public_url: str | None,
) -> Blueprint:
    """``/push/{source}``: POST a push, GET its description."""
    blueprint = Blueprint("push", __name__)
    # It takes milliseconds to write and anyone may ask; the address can be the asker's invention, so a few are kept.
    described = lru_cache(maxsize=32)(partial(wsdl, table))

    @blueprint.post("/push/<name>", provide_automatic_options=False)
    def push(name: str) -> Response:
        started = time.perf_counter()
        door = doors.get(name)
        if door is None:
            turned_away.push(NOBODY, "unknown_source", 404, proxies.sender(request).address)
            return _response(refusal(404, "There is no such source."))
        try:
            refuse_browsers(request.headers)
            door.guard.check(read_authorization(request), proxies.sender(request))
            body = read_body(request, most_bytes)
        except Refused as error:
            address = proxies.sender(request).address
            turned_away.push(name, error.reason, error.status, address)
            return _refused(error)
        receipt = intake.receive(Delivery(door.source, body, request.content_type))
        seconds = time.perf_counter() - started
        metrics.answered(name, receipt, seconds)
        _log_push(name, receipt, len(body), seconds)
        return _answer(receipt)

    @blueprint.get("/push/<name>", provide_automatic_options=False)
    def describe(name: str) -> Response:
        if name not in doors:
            return _response(refusal(404, "There is no such source."))
        if "wsdl" not in {key.lower() for key in request.args}:
            response = _response(refusal(405, "Pushes are sent by POST; the description is at ?wsdl."))
            response.headers["Allow"] = "POST"
            return response
        address = public_url.rstrip("/") if public_url else proxies.address(request)
        return Response(described(f"{address}/push/{name}"), content_type="text/xml; charset=utf-8")

    @blueprint.errorhandler(InternalServerError)
    def fault_of_ours(_error: InternalServerError) -> Response:
        # Flask has logged it. Whatever was stored, a resend is harmless; a 500 could pass for a fault of the sender's.
        response = _response(refusal(503, "The receiver failed. Send the push again later."))
        response.headers["Retry-After"] = str(_RETRY_AFTER)
        return response

    return blueprint


def _refused(error: Refused) -> Response:
    response = _response(refusal(error.status, str(error)))
    if isinstance(error, WrongCredentials):
        response.headers["WWW-Authenticate"] = 'Basic realm="DRS pushes", charset="UTF-8"'
    if error.can_retry:
        response.headers["Retry-After"] = str(_RETRY_AFTER)
    return response


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


def _answer(receipt: Receipt) -> Response:
    response = _response(receipt.reply)
    if receipt.push_id is not None:
        response.headers["Receiver-Push-Id"] = receipt.push_id
    if receipt.retry_after is not None:
        response.headers["Retry-After"] = str(receipt.retry_after)
    return response


def _response(reply: Reply) -> Response:
    return Response(reply.body, status=reply.status, content_type=reply.content_type)
