"""The sources' addresses: POST a push, GET its description."""

from __future__ import annotations

from functools import lru_cache, partial

from flask import Blueprint, Response, request
from werkzeug.exceptions import InternalServerError

from receiver.fields import FieldTable
from receiver.wire import refusal, wsdl

from .answer import Answer
from .door import FAULT_OF_OURS, PushDoor
from .proxies import Proxies


def push_blueprint(door: PushDoor, table: FieldTable, proxies: Proxies, public_url: str | None) -> Blueprint:
    """``/push/{source}``: POST a push, GET its description."""
    blueprint = Blueprint("push", __name__)
    doors = door.doors
    # It takes milliseconds to write and anyone may ask; the address can be the asker's invention, so a few are kept.
    described = lru_cache(maxsize=32)(partial(wsdl, table))

    @blueprint.post("/push/<name>", provide_automatic_options=False)
    def push(name: str) -> Response:
        return door.answer(name, request).response()

    @blueprint.get("/push/<name>", provide_automatic_options=False)
    def describe(name: str) -> Response:
        if name not in doors:
            return Answer(refusal(404, "There is no such source.")).response()
        if "wsdl" not in {key.lower() for key in request.args}:
            refused = refusal(405, "Pushes are sent by POST; the description is at ?wsdl.")
            return Answer(refused, (("Allow", "POST"),)).response()
        address = public_url.rstrip("/") if public_url else proxies.address(request)
        return Response(described(f"{address}/push/{name}"), content_type="text/xml; charset=utf-8")

    @blueprint.errorhandler(InternalServerError)
    def failed(_error: InternalServerError) -> Response:
        return FAULT_OF_OURS.response()  # Flask has logged it

    return blueprint
