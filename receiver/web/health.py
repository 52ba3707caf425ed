"""What operators ask: alive, able to store, and the figures."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from receiver.errors import BehindMigrations, StoreError
from receiver.store.readiness import Readiness

from .metrics import Metrics, StoredFigures


def health_blueprint(readiness: Readiness, metrics: Metrics, stored: StoredFigures) -> Blueprint:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            readiness.require()
        except (StoreError, BehindMigrations) as error:
            return jsonify(status="not ready", reason=error.reason, detail=str(error)), 503
        return jsonify(status="ready"), 200

    @blueprint.get("/metrics")
    def figures() -> Response:
        return Response(metrics.exposition(stored), content_type=CONTENT_TYPE_LATEST)

    return blueprint
