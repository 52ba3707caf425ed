"""Settings: environment variables ``RECEIVER_*`` and an optional TOML file for what has structure."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from receiver.errors import SettingsError
from receiver.fields import Kind, field_table
from receiver.messages import Action, OnInvalid
from receiver.people_settings import People
from receiver.rhythm_settings import RhythmSettings
from receiver.spool import SpoolReply
from receiver.wire import RootNames


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, e.g. Europe/London") from None
    return name


def _field_name(name: str) -> str:
    names = {n.lower(): n for n in _canonical_names()}
    if name.lower() not in names:
        raise ValueError(f"{name!r} is no field of the field table")
    return names[name.lower()]


def _canonical_names() -> set[str]:
    table = field_table()
    own = {f.name for k in table.kinds.values() for f in k.fields}
    return own | {f.name for g in table.groups.values() for f in g.fields}


def _root_alias(name: str) -> str:
    if name.lower() in RootNames.of(field_table()).roots:
        raise ValueError(f"{name!r} is a root that is known already and keeps its meaning")
    return name


def _field_alias(name: str) -> str:
    if name.lower() in {n.lower() for n in _canonical_names()}:
        raise ValueError(f"{name!r} is a field that is known already and keeps its meaning")
    return name


def _network(text: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address or network, e.g. 10.1.2.0/24") from None


def _between_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
# In an environment variable: between commas.
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_between_commas)]
FieldName = Annotated[str, AfterValidator(_field_name)]
RootAlias = Annotated[str, AfterValidator(_root_alias)]
FieldAlias = Annotated[str, AfterValidator(_field_alias)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Outcomes(BaseModel):
    """``success``: outcome codes that mean the job was done. ``completed``: life-cycle words of an ended visit."""

    model_config = _STRICT
    success: tuple[str, ...] | None = None
    completed: tuple[str, ...] = ("COMPLETED",)


class SourceSettings(BaseModel):
    """One ``[sources.NAME]`` of the TOML file."""

    model_config = _STRICT
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/London"
    username: str | None = None
    password_env: str | None = None
    password_hash: SecretStr | None = None
    allow_from: tuple[Network, ...] = ()
    on_invalid: OnInvalid = OnInvalid.REFUSE
    required: tuple[FieldName, ...] = ()
    roots: dict[RootAlias, Kind] = Field(default_factory=dict)
    fields: dict[FieldAlias, FieldName] = Field(default_factory=dict)
    actions: dict[str, Action] = Field(default_factory=dict)
    outcomes: Outcomes = Outcomes()
    rhythm: RhythmSettings = RhythmSettings()


class _File(BaseModel):
    model_config = _STRICT
    sources: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$")], SourceSettings] = Field(
        default_factory=dict
    )
    people: People = People()


class Environment(BaseSettings):
    """The environment. Each field is ``RECEIVER_`` and its name in capitals; the README's table lists them."""

    model_config = SettingsConfigDict(env_prefix="RECEIVER_", frozen=True, extra="ignore", env_ignore_empty=True)
    database_url: str = "sqlite:///receiver.db"
    database_timeout: float = Field(default=10.0, gt=0, le=300)
    statement_timeout: float = Field(default=30.0, ge=1, le=3600)
    config: Path | None = None
    push_username: str | None = None
    push_password: SecretStr | None = None
    max_push_bytes: int = Field(default=32 * 1024 * 1024, gt=0, le=1024**3)
    max_depth: int = Field(default=64, ge=8, le=250)
    max_elements: int = Field(default=2_000_000, ge=100)
    max_record_elements: int = Field(default=100_000, ge=100)
    max_records: int = Field(default=200_000, ge=1)
    bind: str = "127.0.0.1:8000"
    workers: int = Field(default=2, ge=1, le=64)
    threads: int = Field(default=128, ge=1, le=512)
    database_connections: int = Field(default=8, ge=1, le=100)
    connections: int = Field(default=512, ge=1, le=10_000)
    trusted_proxies: Networks | None = None
    monitors: Networks | None = None
    head_timeout: float = Field(default=20.0, gt=0, le=300)
    body_timeout: float = Field(default=120.0, gt=0, le=3600)
    request_timeout: int = Field(default=60, ge=1)
    graceful_timeout: int = Field(default=30, ge=1)
    spool: Path | None = None
    spool_max_bytes: int = Field(default=1024**3, ge=1024**2)
    spool_reply: SpoolReply = SpoolReply.UNAVAILABLE
    keep_bodies_days: int = Field(default=365, ge=0)
    keep_held_days: int = Field(default=730, ge=0)
    keep_rows_days: int = Field(default=2555, ge=0)
    keep_trail_days: int = Field(default=3650, ge=0)
    session_idle_minutes: int = Field(default=30, ge=1, le=24 * 60)
    session_hours: float = Field(default=12.0, gt=0, le=24 * 7)
    housekeeping_hours: float = Field(default=24.0, ge=0, le=24 * 366)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    log_level: LogLevel = LogLevel.INFO


@dataclass(frozen=True)
class Credentials:
    """HTTP Basic: a name, and a password or a hash of one (werkzeug's formats)."""

    username: str
    password: SecretStr | None = None
    password_hash: SecretStr | None = None


@dataclass(frozen=True)
class Settings:
    """All settings, checked. ``sources`` by name: those of the file, else the one source ``drs``.

    ``client_secret``: what the receiver shows the provider that signs people in for it.
    """

    env: Environment
    sources: dict[str, SourceSettings]
    credentials: dict[str, Credentials | None]
    people: People
    client_secret: SecretStr | None


def environment_names() -> dict[str, object]:
    """Every environment variable that is read, with its default."""
    return {f"RECEIVER_{name.upper()}": found.default for name, found in Environment.model_fields.items()}


def _one_line(error: ValidationError, prefix: str) -> str:
    said = []
    for e in error.errors():
        where = ".".join(str(part) for part in e["loc"] if part != "[key]")
        name = f"RECEIVER_{where.upper()}" if not prefix else f"{prefix}: {where}"
        text = e["msg"].removeprefix("Value error, ").replace("a valid tuple", 'a list, e.g. ["CO"]')
        said.append(f"{name}: {text}")
    return "; ".join(said)


def _read_file(path: Path) -> _File:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "is not UTF-8"
        raise SettingsError(f"RECEIVER_CONFIG: {path}: {detail}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"RECEIVER_CONFIG: {path}: {error}.") from None
    try:
        return _File.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(_one_line(error, str(path))) from None


def _credentials(name: str, source: SourceSettings, env: Environment) -> Credentials | None:
    """The source's credentials with its password looked up; the environment's fill in where it names none."""
    if source.username is None and source.password_env is None and source.password_hash is None:
        return Credentials(env.push_username, env.push_password) if env.push_username is not None else None
    if source.username is None or (source.password_env is None) == (source.password_hash is None):
        raise SettingsError(f"sources.{name}: credentials are a username and one of password_env or password_hash.")
    if source.password_env is None:
        return Credentials(source.username, password_hash=source.password_hash)
    password = os.environ.get(source.password_env)
    if not password:
        raise SettingsError(f"sources.{name}: password_env names {source.password_env}, which is not set.")
    return Credentials(source.username, SecretStr(password))


def _client_secret(people: People) -> SecretStr | None:
    name = people.oidc.client_secret_env if people.oidc is not None else None
    if name is None:
        return None
    if not os.environ.get(name):
        raise SettingsError(f"people.oidc: client_secret_env names {name}, which is not set.")
    return SecretStr(os.environ[name])


def _check_keeping(env: Environment) -> None:
    """What is kept of a push goes in an order: bytes first, then held ones, rows, and the trail last; 0 is for ever."""
    names = ("bodies", "held", "rows", "trail")
    days = [getattr(env, f"keep_{name}_days") for name in names]
    for (first, shorter), (second, longer) in pairwise(zip(names, days, strict=True)):
        if (shorter or inf) > (longer or inf):
            raise SettingsError(
                f"RECEIVER_KEEP_{first.upper()}_DAYS ({shorter or 'for ever'}) must not be longer than "
                f"RECEIVER_KEEP_{second.upper()}_DAYS ({longer or 'for ever'})."
            )


def load_settings() -> Settings:
    """Read the environment and the file it names. Raises SettingsError, one line that says what is wrong and where."""
    try:
        environment = Environment()
    except ValidationError as error:
        raise SettingsError(_one_line(error, "")) from None
    if (environment.push_username is None) != (environment.push_password is None):
        raise SettingsError("RECEIVER_PUSH_USERNAME and RECEIVER_PUSH_PASSWORD go together: set both or neither.")
    _check_keeping(environment)
    file = _read_file(environment.config) if environment.config is not None else _File()
    sources = file.sources or {"drs": SourceSettings()}
    credentials = {n: _credentials(n, s, environment) for n, s in sources.items()}
    return Settings(environment, sources, credentials, file.people, _client_secret(file.people))
