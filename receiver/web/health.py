"""What operators ask: alive, able to store, and the figures."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from receiver.errors import BehindMigrations, SpoolError, StoreError
from receiver.spool import Spool
from receiver.store.readiness import Readiness

from .metrics import Metrics
from .monitors import Monitors
from .turned_away import TurnedAway


def health_blueprint(
    readiness: Readiness,
    spool: Spool | None,
    metrics: Metrics,
    figures: Sequence[Collector],
    monitors: Monitors,
    turned_away: TurnedAway,
) -> Blueprint:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Whether it is alive and ready, everyone is told; why it is not, and the figures, only ``monitors``.
    ``spool`` is there when a push is answered success once it is spooled: then the receiver is ready without its
    database, as long as there is room.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            readiness.require()
        except (StoreError, BehindMigrations) as error:
            if spool is not None and _has_room(spool):
                how = {"storing": "spool", "reason": error.reason} if monitors.may_look(request) else {}
                return jsonify(status="ready", **how), 200
            why = {"reason": error.reason, "detail": str(error)} if monitors.may_look(request) else {}
            return jsonify(status="not ready", **why), 503
        return jsonify(status="ready"), 200

    @blueprint.get("/metrics")
    def exposition() -> Response:
        if not monitors.may_look(request):
            turned_away.request("address", 403, monitors.address(request))
            return Response("Not for this address.\n", 403, content_type="text/plain; charset=utf-8")
        return Response(metrics.exposition(figures), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _has_room(spool: Spool) -> bool:
    try:
        return spool.state().has_room
    except SpoolError:
        return False
