"""Who signs people in for us, as the pages need to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from receiver.store.people.roles import Role


@dataclass(frozen=True)
class OidcSettings:
    """The provider, and what its claims mean. ``roles``: claim's value to role; the highest one counts.

    Without ``sources_claim`` people see every source; with it, those that the claim lists.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    name_claim: str
    role_claim: str
    sources_claim: str | None
    roles: Mapping[str, Role]
    label: str
