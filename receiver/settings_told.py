"""Settings as texts by name, so that two starts can be compared: what may be shown, and what is secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

from receiver.settings import Settings


def told(settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Every setting that has a value, as its file or variable names it: those that may be shown, and secrets."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in settings.env:
        is_hidden = isinstance(value, SecretStr) or (name == "database_url" and _may_hold_password(value))
        if value is not None:
            _put(secret if is_hidden else plain, f"RECEIVER_{name.upper()}", value)
    models: Mapping[str, BaseModel] = {f"sources.{name}": found for name, found in settings.sources.items()}
    for prefix, model in {**models, "people": settings.people}.items():
        for name, value in _flat(prefix, model):
            _put(secret if isinstance(value, SecretStr) else plain, name, value)
    for source, credentials in settings.credentials.items():
        if credentials is not None and credentials.password is not None:
            _put(secret, f"sources.{source}.password", credentials.password)
    if settings.client_secret is not None:
        _put(secret, "people.oidc.client_secret", settings.client_secret)
    return plain, secret


def _may_hold_password(address: str) -> bool:
    return "@" in address or "password" in address


def _flat(prefix: str, model: BaseModel) -> Iterator[tuple[str, object]]:
    for name, value in model:
        if isinstance(value, BaseModel):
            yield from _flat(f"{prefix}.{name}", value)
        elif value is not None:
            yield f"{prefix}.{name}", value


def _put(found: dict[str, str], name: str, value: object) -> None:
    if isinstance(value, SecretStr):
        found[name] = value.get_secret_value()
    elif isinstance(value, tuple):
        found[name] = ", ".join(str(one) for one in value)
    else:
        found[name] = json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
