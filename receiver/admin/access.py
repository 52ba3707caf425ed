"""Who may see which page: roles, and the gate that every request passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import g
from werkzeug.exceptions import Forbidden

from receiver.store.people.chain import By
from receiver.store.people.roles import Role

View = TypeVar("View", bound=Callable[..., Any])
_NEEDS, _OPEN = "_needs_role", "_is_open"

__all__ = ["Person", "Role", "current_person", "is_open", "needed", "needs", "open_to_all"]


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in. ``name`` is what the trail calls them; ``sources`` are those they may see, None all.

    ``provider`` is how they came: local, link, oidc.
    """

    name: str
    display_name: str
    role: Role
    sources: tuple[str, ...] | None = None
    provider: str = "local"

    @property
    def by(self) -> By:
        """As the trail has it."""
        return By(self.name, self.role.value)

    def may(self, role: Role) -> bool:
        """Whether they may do what that role may."""
        return self.role >= role

    def sees(self, source: str) -> bool:
        """Whether they may see what came from the source."""
        return self.sources is None or source in self.sources


def needs(role: Role) -> Callable[[View], View]:
    """Marks a view as one for that role and those above it. A view without a mark is shown to nobody."""

    def mark(view: View) -> View:
        setattr(view, _NEEDS, role)
        return view

    return mark


def open_to_all(view: View) -> View:
    """Marks a view as one that is shown to strangers."""
    setattr(view, _OPEN, True)
    return view


def needed(view: Callable[..., Any] | None) -> Role | None:
    """The role that the view is marked with."""
    found: Role | None = getattr(view, _NEEDS, None)
    return found


def is_open(view: Callable[..., Any] | None) -> bool:
    """Whether the view is shown to strangers."""
    return bool(getattr(view, _OPEN, False))


def current_person() -> Person:
    """Who asks for this page. Raises Forbidden on a page that is open to all, when nobody has signed in."""
    person: Person | None = g.get("person")
    if person is None:
        raise Forbidden
    return person
