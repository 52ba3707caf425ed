"""What the trail is made of: entries, each with a hash over itself and the hash of the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

# What stands before the first entry ever; and before the first one after the trail's ends were lost.
GENESIS = "0" * 64
BEGUN_ANEW = "f" * 64
# Who does what nobody asked for at that moment. No account can have such a name.
SYSTEM = "system:receiver"


class Action(StrEnum):
    """What somebody did (``trail.action``)."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    VIEWED = "viewed"
    EXPORTED = "exported"
    CORRECTED = "corrected"
    RETRIED = "retried"
    DISCARDED = "discarded"
    REPLAY_PLANNED = "replay_planned"
    REPLAY_STARTED = "replay_started"
    REPLAY_PAUSED = "replay_paused"
    REPLAY_RESUMED = "replay_resumed"
    REPLAY_CANCELLED = "replay_cancelled"
    CAUSE_ACKNOWLEDGED = "cause_acknowledged"
    CAUSE_RESOLVED = "cause_resolved"
    CAUSE_REOPENED = "cause_reopened"
    ACCOUNT_ADDED = "account_added"
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_REMOVED = "account_removed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an action
    LINK_MADE = "link_made"
    TOKEN_MADE = "token_made"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an action
    SETTINGS_CHANGED = "settings_changed"
    ERASED = "erased"
    KEPT_HOUSE = "kept_house"
    TRAIL_EXPIRED = "trail_expired"


@dataclass(frozen=True)
class By:
    """Who does something, and in which role (None: no person of the pages, such as a command)."""

    person: str
    role: str | None = None


@dataclass(frozen=True)
class Entry:
    """Something that was done: when (aware, UTC), by whom, and to what.

    ``about`` is an id, ``about_kind`` says of what (push, notification, cause, replay, account ...). ``details`` is
    JSON and holds no personal data of tenants or workers.
    """

    at: datetime
    person: str
    action: Action
    role: str | None = None
    about_kind: str | None = None
    about: str | None = None
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


def moment(at: datetime) -> str:
    """As hashes take it: UTC to the microsecond, ``2026-11-21T19:20:37.000123Z``."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def plain(value: object) -> object:
    """The JSON value as every database gives it back: keys in order, no text that one of them cannot hold."""
    return json.loads(json.dumps(_storable(json.loads(json.dumps(value, allow_nan=False))), sort_keys=True))


def _storable(value: object) -> object:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {plain_text(name): _storable(item) for name, item in value.items()}
    return value


def plain_text(text: str) -> str:
    """The text as every database can hold it: without NUL and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def digest(number: int, said: Mapping[str, object], previous: str) -> str:
    """The hash of an entry: SHA-256, in hex, over the one before's and the entry as canonical JSON.

    ``said``: at (see ``moment``), person, role, action, about_kind, about, reason, details.
    """
    canonical = json.dumps({"number": number, **said}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(f"{previous}\n{canonical}".encode()).hexdigest()
