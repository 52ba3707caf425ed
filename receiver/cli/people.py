"""People as commands work with them: accounts, sessions, and links that sign in once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_urlsafe

import click

from receiver.app import Parts, build_parts, utc_now
from receiver.settings import load_settings
from receiver.store import migrations
from receiver.store.people.accounts import Account, Accounts
from receiver.store.people.chain import By
from receiver.store.people.links import Links
from receiver.store.people.roles import Role
from receiver.store.people.sessions import Sessions
from receiver.store.store import Store

from .database import database

NEW_TOKEN = partial(token_urlsafe, 32)


def link_to(store: Store, url: str, by: By, person: str, role: Role, lasting: timedelta) -> str:
    """The address of a link that signs ``person`` in once at the receiver at ``url``.

    ``role`` counts where there is no account of that name.
    """
    token = Links(store, utc_now, NEW_TOKEN).make(by, person, role, None, lasting)
    return f"{url.rstrip('/')}/admin/sign-in/link/{token}"


@dataclass(frozen=True)
class People:
    """The people of a database."""

    parts: Parts

    @property
    def accounts(self) -> Accounts:
        """Who may sign in."""
        return Accounts(self.parts.store, utc_now)

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        env = self.parts.settings.env
        lasting = timedelta(minutes=env.session_idle_minutes), timedelta(hours=env.session_hours)
        return Sessions(self.parts.store, utc_now, NEW_TOKEN, *lasting)

    def require_sources(self, names: Sequence[str]) -> None:
        """Raise UsageError for a source that the settings do not name."""
        for name in names:
            if name not in self.parts.sources:
                known = ", ".join(sorted(self.parts.sources))
                raise click.UsageError(f"There is no source {name!r} in the settings, only {known}.")

    def link(self, by: By, account: Account, lasting: timedelta, url: str | None) -> str:
        """A link for the account; ``url`` is where the receiver is reached, if not where the settings say."""
        env = self.parts.settings.env
        at = url or env.public_url or f"http://{env.bind}"
        return link_to(self.parts.store, at, by, account.name, account.role, lasting)


@contextmanager
def people() -> Iterator[People]:
    """Those of the database of the settings, which must be at the newest migration."""
    settings = load_settings()
    with database(settings) as engine:
        migrations.require_newest(engine)
    parts = build_parts(settings, bounded=False)
    try:
        yield People(parts)
    finally:
        parts.store.close()
