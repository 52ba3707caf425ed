"""The parts put together: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic

import uuid_utils
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from receiver.fields import FieldTable, field_table
from receiver.intake.intake import Intake
from receiver.intake.source import Source
from receiver.intake.spooling import Fallback
from receiver.jobs.caretaker import Caretaker, Duty
from receiver.jobs.draining import Drainer
from receiver.jobs.erasing import Erasing
from receiver.jobs.housekeeping import Housekeeping
from receiver.settings import Settings
from receiver.sources import build_limits, build_sources
from receiver.spool import Spool, SpoolReply
from receiver.store import engine
from receiver.store.readiness import Readiness
from receiver.store.retention import Keep
from receiver.store.store import Store
from receiver.web.door import Door, PushDoor, ShortWay
from receiver.web.guard import Guard
from receiver.web.health import health_blueprint
from receiver.web.metrics import Metrics, SpoolFigures, StoredFigures
from receiver.web.monitors import Monitors
from receiver.web.proxies import Proxies
from receiver.web.push import push_blueprint
from receiver.web.safety import make_safe
from receiver.web.silence import Silence
from receiver.web.turned_away import TurnedAway
from receiver.wire import Limits, refusal

_LONG_SEARCH = 900.0


def utc_now() -> datetime:
    """The moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """What commands and the web application are made of."""

    settings: Settings
    table: FieldTable
    sources: dict[str, Source]
    limits: Limits
    store: Store
    intake: Intake
    spool: Spool | None


def build_parts(settings: Settings, *, bounded: bool = True) -> Parts:
    """Everything but the web. Connects to nothing yet. Without ``bounded``, statements may take as long as they do."""
    table = field_table()
    env = settings.env
    connections = engine.create(
        env.database_url,
        pool_size=env.database_connections,
        timeout=env.database_timeout,
        statement_timeout=env.statement_timeout if bounded else None,
    )
    store = Store(connections, table)
    limits = build_limits(settings)
    spool = Spool(env.spool, env.spool_max_bytes) if env.spool is not None else None
    fallback = Fallback(spool, env.spool_reply, limits)
    intake = Intake(store, table, limits, fallback, utc_now, uuid_utils.uuid7)
    return Parts(settings, table, build_sources(settings, table), limits, store, intake, spool)


def build_drainer(parts: Parts) -> Drainer | None:
    """What empties the spool, where there is one."""
    if parts.spool is None:
        return None
    return Drainer(parts.spool, parts.intake, parts.sources, Readiness(parts.store).require)


def build_keep(settings: Settings) -> Keep:
    """How long each is kept."""
    env = settings.env
    return Keep.of_days(env.keep_bodies_days, env.keep_held_days, env.keep_rows_days, env.keep_trail_days)


def build_housekeeping(parts: Parts, pause: Callable[[float], object]) -> Housekeeping:
    """What erases what has been kept long enough."""
    env = parts.settings.env
    interval = timedelta(hours=env.housekeeping_hours) if env.housekeeping_hours else None
    # Connections of its own: looking for what is old may take longer than a push may wait.
    connections = engine.create(
        env.database_url, pool_size=1, timeout=env.database_timeout, statement_timeout=_LONG_SEARCH
    )
    return Housekeeping(Store(connections, parts.table), build_keep(parts.settings), interval, utc_now, pause)


def build_erasing(parts: Parts, pause: Callable[[float], object], random: Callable[[int], bytes]) -> Erasing:
    """What erases a person, an order or a booking."""
    new_id, spool = uuid_utils.uuid7, parts.spool
    return Erasing(parts.store, parts.sources, parts.table, parts.limits, spool, utc_now, pause, new_id, random)


def build_caretaker(parts: Parts) -> Caretaker:
    """What a server does beside answering."""
    stopped = Event()
    housekeeping = build_housekeeping(parts, stopped.wait)
    duties = [Duty("housekeeping", housekeeping.run_if_due, seconds=60.0, seconds_after_failure=60.0)]
    drainer = build_drainer(parts)
    if drainer is not None:
        duties.append(Duty("draining", drainer.drain, seconds=0.5, seconds_after_failure=1.0))
    return Caretaker(duties, stopped)


def _guard(settings: Settings, name: str) -> Guard:
    found, networks = settings.credentials[name], settings.sources[name].allow_from
    if found is None:
        return Guard(networks=networks)
    password = found.password.get_secret_value() if found.password else None
    hashed = found.password_hash.get_secret_value() if found.password_hash else None
    return Guard(found.username, password, hashed, networks)


def create_app(parts: Parts) -> Flask:
    """The web application."""
    settings = parts.settings
    metrics = Metrics()
    turned_away = TurnedAway(metrics, monotonic)
    doors = {name: Door(source, _guard(settings, name)) for name, source in parts.sources.items()}
    app = Flask("receiver", static_folder=None)
    env = settings.env
    proxies = Proxies(env.trusted_proxies or ())
    door = PushDoor(doors, parts.intake, metrics, turned_away, proxies, env.max_push_bytes)
    app.register_blueprint(push_blueprint(door, parts.table, proxies, env.public_url))
    app.wsgi_app = ShortWay(door, app.wsgi_app)  # type: ignore[method-assign]
    stored = StoredFigures(parts.store, list(parts.sources), utc_now, metrics, Silence(monotonic))
    waiting = SpoolFigures(parts.spool, utc_now) if parts.spool is not None else None
    figures = [stored] if waiting is None else [stored, waiting]
    spool_takes = parts.spool if env.spool_reply is SpoolReply.SUCCESS else None
    monitors = Monitors(proxies, env.monitors)
    app.register_blueprint(
        health_blueprint(Readiness(parts.store), spool_takes, metrics, figures, monitors, turned_away)
    )
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(make_safe)
    app.extensions["receiver.turned_away"] = turned_away
    return app


def _http_error(error: HTTPException) -> Response:
    """At the door, errors of HTTP itself have the door's form too."""
    response = Response(error.get_body(), status=error.code, headers=error.get_headers(request.environ))
    if request.path.startswith("/push/") and error.code is not None:
        reply = refusal(error.code, error.description or error.name)
        response.data, response.content_type = reply.body, reply.content_type
    return response
