"""The parts put together: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_urlsafe
from threading import Event
from time import monotonic, sleep
from typing import TYPE_CHECKING

import uuid_utils
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from receiver.fields import FieldTable, field_table
from receiver.intake.deciding import Deciding
from receiver.intake.intake import Intake
from receiver.intake.rebuilding import Rebuilding
from receiver.intake.source import Source
from receiver.intake.spooling import Fallback
from receiver.intake.walking import Walking
from receiver.jobs import replay_process
from receiver.jobs.caretaker import Caretaker, Duty
from receiver.jobs.draining import Drainer
from receiver.jobs.erasing import Erasing
from receiver.jobs.figures import Figuring, Timing
from receiver.jobs.housekeeping import Housekeeping
from receiver.jobs.replay_plan import Planning
from receiver.jobs.replay_slices import Work
from receiver.jobs.replaying import Dispatch, Replaying
from receiver.rhythm import Rhythm
from receiver.settings import Settings
from receiver.sources import build_limits, build_sources
from receiver.spool import Spool, SpoolReply
from receiver.store import engine
from receiver.store.figures.reply_times import ReplyTimes
from receiver.store.keeping.retention import Keep
from receiver.store.people.roles import Role
from receiver.store.people.trail import Trail
from receiver.store.readiness import Readiness
from receiver.store.store import Store
from receiver.web.door import Door, PushDoor, ShortWay
from receiver.web.guard import Guard
from receiver.web.health import health_blueprint
from receiver.web.metrics import Metrics, SpoolFigures, StoredFigures
from receiver.web.monitors import Monitors
from receiver.web.mounted import Mounted
from receiver.web.proxies import Proxies
from receiver.web.push import push_blueprint
from receiver.web.safety import make_safe
from receiver.web.silence import Silence
from receiver.web.turned_away import TurnedAway
from receiver.wire import Limits, refusal

if TYPE_CHECKING:
    from receiver.admin.gate import Gate
    from receiver.admin.oidc_settings import OidcSettings

_LONG_SEARCH = 900.0
_SMALL_STRETCH, _COUNTED_FOR_PAGES = 200, 10_000


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
    reply_times: ReplyTimes


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
    return Parts(settings, table, build_sources(settings, table), limits, store, intake, spool, ReplyTimes())


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
    dispatch = Dispatch(parts.store, utc_now, lambda: str(uuid_utils.uuid7()), replay_process.begin)
    duties.append(Duty("replaying", dispatch.look, seconds=2.0, seconds_after_failure=10.0))
    figuring = Figuring(parts.store, build_keep(parts.settings).rows, utc_now, stopped.wait)
    duties.append(Duty("figures", figuring.run_if_due, seconds=60.0, seconds_after_failure=60.0))
    timing = Timing(parts.store, parts.reply_times.take, utc_now, stopped.wait)
    duties.append(Duty("reply_times", timing.run, seconds=0.0, seconds_after_failure=0.0))
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


def build_gate(parts: Parts, proxies: Proxies) -> Gate:
    """What lets people in."""
    from receiver.admin.gate import Gate  # noqa: PLC0415 - of the pages: loaded when somebody asks for one

    env = parts.settings.env
    lasting = timedelta(minutes=env.session_idle_minutes), timedelta(hours=env.session_hours)
    return Gate(parts.store, proxies, utc_now, partial(token_urlsafe, 32), *lasting, _oidc(parts.settings))


def _oidc(settings: Settings) -> OidcSettings | None:
    from receiver.admin.oidc_settings import OidcSettings  # noqa: PLC0415 - of the pages, as above

    found, secret = settings.people.oidc, settings.client_secret
    if found is None:
        return None
    return OidcSettings(
        issuer=found.issuer,
        client_id=found.client_id,
        client_secret=secret.get_secret_value() if secret is not None else None,
        scopes=found.scopes,
        name_claim=found.name_claim,
        role_claim=found.role_claim,
        sources_claim=found.sources_claim,
        roles={claim: Role(role) for claim, role in settings.people.roles.items()},
        label=found.label,
    )


def create_app(parts: Parts) -> Flask:
    """The web application."""
    settings = parts.settings
    metrics = Metrics(parts.reply_times)
    turned_away = TurnedAway(metrics, monotonic)
    doors = {name: Door(source, _guard(settings, name)) for name, source in parts.sources.items()}
    app = Flask("receiver", static_folder=None)
    env = settings.env
    proxies = Proxies(env.trusted_proxies or ())
    door = PushDoor(doors, parts.intake, metrics, turned_away, proxies, env.max_push_bytes)
    app.register_blueprint(push_blueprint(door, parts.table, proxies, env.public_url))
    mounted = Mounted(lambda: build_site(parts, proxies), app.wsgi_app)
    app.wsgi_app = ShortWay(door, mounted)  # type: ignore[method-assign]
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


def build_work(parts: Parts) -> Work:
    """What replays work with."""
    what = parts.store, parts.table, parts.sources
    walking = Walking(*what, parts.limits, utc_now, uuid_utils.uuid7)
    return Work(parts.store, parts.sources, walking, Rebuilding(*what, utc_now), utc_now, uuid_utils.uuid7)


def build_rhythms(settings: Settings) -> dict[str, Rhythm]:
    """How often each source is heard of, by its name."""
    return {name: found.rhythm.rhythm() for name, found in settings.sources.items()}


def build_replaying(parts: Parts, pause: Callable[[float], object], owner: str = "") -> Replaying:
    """What plans, starts and runs replays, as ``owner``."""
    return Replaying(build_work(parts), pause, owner)


def build_planning(parts: Parts, most: int, seconds: float) -> Planning:
    """What plans replays while somebody waits: looking at ``most`` pushes at most, for so many seconds."""
    what = parts.store, parts.table, parts.sources
    work = replace(build_work(parts), rebuilding=Rebuilding(*what, utc_now, _SMALL_STRETCH))
    return Planning(work, most, seconds, _COUNTED_FOR_PAGES)


def build_deciding(parts: Parts) -> Deciding:
    """What discards and corrects."""
    most = parts.settings.env.max_push_bytes
    return Deciding(parts.store, parts.table, parts.sources, parts.limits, most, utc_now, uuid_utils.uuid7)


def build_site(parts: Parts, proxies: Proxies) -> Flask:
    """The pages for people; what they are made of is loaded only now that somebody asks for one."""
    from receiver.admin.desk import Desk  # noqa: PLC0415 - a start without pages loads none of them
    from receiver.admin.freshening import Freshening  # noqa: PLC0415 - the same
    from receiver.admin.site import create_site  # noqa: PLC0415 - the same

    desk = Desk(
        store=parts.store,
        intake=parts.intake,
        deciding=build_deciding(parts),
        table=parts.table,
        sources=parts.sources,
        limits=parts.limits,
        spool=parts.spool,
        proxies=proxies,
        trail=Trail(parts.store, utc_now),
        gate=build_gate(parts, proxies),
        figures=Freshening(parts.store, utc_now, build_keep(parts.settings).rows),
        replaying=build_replaying(parts, sleep),
        planning=partial(build_planning, parts),
        rhythms=build_rhythms(parts.settings),
        now=utc_now,
        most_bytes=parts.settings.env.max_push_bytes,
    )
    site = create_site(desk)
    site.after_request(make_safe)
    return site


def _http_error(error: HTTPException) -> Response:
    """At the door, errors of HTTP itself have the door's form too."""
    response = Response(error.get_body(), status=error.code, headers=error.get_headers(request.environ))
    if request.path.startswith("/push/") and error.code is not None:
        reply = refusal(error.code, error.description or error.name)
        response.data, response.content_type = reply.body, reply.content_type
    return response
