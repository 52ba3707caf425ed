"""The parts put together: the one place that knows all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import uuid_utils
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from receiver.fields import FieldTable, field_table
from receiver.intake import Intake, Source
from receiver.messages import Judge, Rules, Schemas
from receiver.messages.rules import usual_actions
from receiver.settings import Settings, SourceSettings
from receiver.store import engine
from receiver.store.readiness import Readiness
from receiver.store.store import Store
from receiver.web.guard import Guard
from receiver.web.health import health_blueprint
from receiver.web.metrics import Metrics, StoredFigures
from receiver.web.push import Door, push_blueprint
from receiver.wire import Limits, RootNames, refusal


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


def build_source(name: str, settings: SourceSettings, table: FieldTable, schemas: Schemas) -> Source:
    """A source as the corridor needs it."""
    outcomes = settings.outcomes
    rules = Rules(
        source=name,
        zone=ZoneInfo(settings.timezone),
        required=settings.required,
        field_aliases=settings.fields,
        actions={**usual_actions(), **{w.strip().lower(): a for w, a in settings.actions.items()}},
        success_codes=None if outcomes.success is None else frozenset(c.strip().lower() for c in outcomes.success),
        on_invalid=settings.on_invalid,
        complete_words=frozenset(w.strip().lower() for w in outcomes.completed),
    )
    names = RootNames.of(table, settings.roots)
    return Source(name, names, rules, Judge(table, schemas, rules))


def build_sources(settings: Settings, table: FieldTable) -> dict[str, Source]:
    """Every source of the settings, by name."""
    schemas = Schemas(table)
    return {name: build_source(name, found, table, schemas) for name, found in settings.sources.items()}


def build_limits(settings: Settings) -> Limits:
    """The parser's bounds."""
    env = settings.env
    return Limits(env.max_depth, env.max_elements, env.max_record_elements)


def build_parts(settings: Settings) -> Parts:
    """Everything but the web. Connects to nothing yet."""
    table = field_table()
    env = settings.env
    store = Store(engine.create(env.database_url, pool_size=env.threads, timeout=env.database_timeout), table)
    limits = build_limits(settings)
    intake = Intake(store, table, limits, utc_now, uuid_utils.uuid7)
    return Parts(settings, table, build_sources(settings, table), limits, store, intake)


def _guard(settings: Settings, name: str) -> Guard:
    found, networks = settings.credentials[name], settings.sources[name].allow_from
    if found is None:
        return Guard(networks=networks)
    password = found.password.get_secret_value() if found.password else None
    hashed = found.password_hash.get_secret_value() if found.password_hash else None
    return Guard(found.username, password, hashed, networks)


def create_app(settings: Settings) -> Flask:
    """The web application."""
    parts = build_parts(settings)
    metrics = Metrics()
    doors = {name: Door(source, _guard(settings, name)) for name, source in parts.sources.items()}
    app = Flask("receiver", static_folder=None)
    app.register_blueprint(
        push_blueprint(doors, parts.intake, parts.table, metrics, settings.env.max_push_bytes, settings.env.public_url)
    )
    stored = StoredFigures(parts.store, list(parts.sources), utc_now)
    app.register_blueprint(health_blueprint(Readiness(parts.store), metrics, stored))
    app.register_error_handler(HTTPException, _http_error)
    return app


def _http_error(error: HTTPException) -> Response:
    """At the door, errors of HTTP itself have the door's form too."""
    response = Response(error.get_body(), status=error.code, headers=error.get_headers(request.environ))
    if request.path.startswith("/push/") and error.code is not None:
        reply = refusal(error.code, error.description or error.name)
        response.data, response.content_type = reply.body, reply.content_type
    return response
