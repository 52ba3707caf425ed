"""Entries in the trail for what people do on the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import g

from receiver.store.people import trail
from receiver.store.people.chain import Action, Entry

from .access import Role, current_person
from .desk import Desk


def note(
    desk: Desk,
    action: Action,
    about_kind: str,
    about: str,
    reason: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Note what the person who asks for this page has done. Raises StoreError."""
    person = current_person()
    desk.trail.note(
        person.name,
        action,
        role=person.role.value,
        about_kind=about_kind,
        about=about,
        reason=reason,
        details=details,
    )
    g.noted = True


def viewed(desk: Desk, about_kind: str, about: str) -> None:
    """Note that personal data is about to be shown; nothing for those to whom it is masked."""
    if current_person().may(Role.OPERATOR):
        note(desk, Action.VIEWED, about_kind, about)


def noting(
    desk: Desk, action: Action, about_kind: str, about: str, reason: str, details: Mapping[str, object]
) -> Callable[[Any, object], None]:
    """Notes it within the transaction that does it: what is handed to ``Deciding`` as ``also``."""
    person = current_person()
    g.noted = True

    def append(connection: Any, _done: object) -> None:
        entry = Entry(desk.now(), person.name, action, person.role.value, about_kind, about, reason, details)
        trail.append(connection, desk.store.tables, entry)

    return append
