"""``receiver user``: people who sign in by name and password, links that sign in once, and who is signed in."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

import click

from receiver.store.people import passwords
from receiver.store.people.accounts import Account, Change
from receiver.store.people.roles import Role
from receiver.store.people.sessions import Session

from .people import people
from .person import by_command
from .visible import visible

_ROLES = click.Choice([role.value for role in Role])
_LONGEST_LINK = 7 * 24 * 60


def _password(name: str, *, from_stdin: bool) -> str:
    """What may be a password for the account, hashed. Raises NotAllowed."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    passwords.require_allowed(password, name)
    return passwords.hashed(password)


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _said(account: Account) -> dict[str, object]:
    limit = None if account.sources is None else list(account.sources)
    return {
        "name": account.name,
        "display_name": account.display_name,
        "role": account.role.value,
        "sources": limit,
        "has_password": account.password_hash is not None,
        "made_at": _at(account.made_at),
        "changed_at": _at(account.changed_at),
        "disabled_at": _at(account.disabled_at),
    }


def _line(account: Account) -> str:
    sources = "all sources" if account.sources is None else ", ".join(account.sources) or "no source"
    state = "disabled" if account.disabled_at else "" if account.password_hash else "no password"
    shown = f"{account.name:<24} {account.role.value:<14} {sources:<24} {account.display_name}"
    return visible(f"{shown}  ({state})" if state else shown)


def _tell(account: Account, *, as_json: bool, link: str | None = None) -> None:
    if as_json:
        click.echo(json.dumps(_said(account) | ({} if link is None else {"link": link})))
        return
    click.echo(_line(account))
    if link is not None:
        click.echo(f"Signs in once: {link}")


@click.group("user")
def command() -> None:
    """People who may use the pages below /admin/. Each change leaves an entry in the trail.

    \b
    viewer         sees everything, with comments and names masked
    operator       sees those too; retries, corrects, discards, replays, exports
    administrator  also looks after people, and sees the trail

    With an OpenID Connect provider in the settings file nobody needs an account here.
    """


_role = click.option("--role", type=_ROLES, help="What they may do.")
_sources = click.option("--source", "sources", multiple=True, help="May see this source only; may be repeated.")
_display = click.option("--display-name", help="The name that pages show.")
_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
_json = click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
_minutes = click.option(
    "--minutes",
    type=click.IntRange(1, _LONGEST_LINK),
    default=60,
    show_default=True,
    help="For how long a link can be used.",
)
_url = click.option(
    "--url", metavar="URL", help="The receiver's address, for the link.  [default: RECEIVER_PUBLIC_URL, RECEIVER_BIND]"
)


@command.command("add")
@click.argument("name")
@_role
@_sources
@_display
@_stdin
@click.option("--link", "with_link", is_flag=True, help="No password: print a link that signs them in once.")
@_minutes
@_url
@_json
def add(
    name: str,
    role: str | None,
    sources: tuple[str, ...],
    display_name: str | None,
    password_stdin: bool,
    with_link: bool,
    minutes: int,
    url: str | None,
    as_json: bool,
) -> None:
    """Add an account; the password is asked for. The default role is viewer."""
    if with_link and password_stdin:
        raise click.UsageError("--link and --password-stdin: one or the other.")
    by, chosen = by_command(), Role(role or Role.VIEWER.value)
    with people() as found:
        found.require_sources(sources)
        found.accounts.require_free(name)
        hashed = None if with_link else _password(name, from_stdin=password_stdin)
        account = found.accounts.add(
            *(by, name, chosen), display_name=display_name or "", sources=sources or None, password_hash=hashed
        )
        link = found.link(by, account, timedelta(minutes=minutes), url) if with_link else None
        _tell(account, as_json=as_json, link=link)


@command.command("list")
@_json
def listed(as_json: bool) -> None:
    """List the accounts; with --json one object each, on a line of its own."""
    with people() as found:
        for account in found.accounts.all():
            _tell(account, as_json=as_json)


@command.command("change")
@click.argument("name")
@_role
@_sources
@click.option("--all-sources", is_flag=True, help="May see every source.")
@_display
@click.option("--password", "asks_password", is_flag=True, help="Ask for another password; ends their sessions.")
@_stdin
@click.option("--enable", is_flag=True, help="Let a disabled account be used again.")
@_json
def change(
    name: str,
    role: str | None,
    sources: tuple[str, ...],
    all_sources: bool,
    display_name: str | None,
    asks_password: bool,
    password_stdin: bool,
    enable: bool,
    as_json: bool,
) -> None:
    """Change an account. Role and sources count from the next page that they ask for."""
    if sources and all_sources:
        raise click.UsageError("--source and --all-sources: one or the other.")
    by, wish = by_command(), Change(display_name, Role(role) if role else None, sources or None, all_sources)
    with people() as found:
        found.require_sources(sources)
        found.accounts.get(name)
        if asks_password or password_stdin:
            found.accounts.set_password(by, name, _password(name, from_stdin=password_stdin))
        if enable:
            found.accounts.enable(by, name)
        _tell(found.accounts.change(by, name, wish), as_json=as_json)


@command.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Let nobody sign in with an account any more, and end its sessions at once."""
    with people() as found:
        found.accounts.disable(by_command(), name)
    click.echo(f"{name} is disabled. `receiver user change {name} --enable` takes it back.")


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete an account and end its sessions. What the trail says of it stays; to keep the name taken, disable it."""
    if not yes:
        click.confirm(f"Delete the account {name}?", abort=True)
    with people() as found:
        found.accounts.remove(by_command(), name)
    click.echo(f"{name} is removed.")


@command.command("link")
@click.argument("name")
@_minutes
@_url
@_json
def link(name: str, minutes: int, url: str | None, as_json: bool) -> None:
    """Print a link that signs an account in once, for whoever has forgotten their password."""
    with people() as found:
        account = found.accounts.get(name)
        made = found.link(by_command(), account, timedelta(minutes=minutes), url)
    click.echo(json.dumps({"name": account.name, "link": made}) if as_json else made)


@command.command("sessions")
@_json
def sessions(as_json: bool) -> None:
    """List who is signed in, the newest first; with --json one object each, on a line of its own."""
    with people() as found:
        for session in found.sessions.all():
            click.echo(json.dumps(_said_of(session)) if as_json else _line_of(session))


@command.command("sign-out")
@click.argument("name")
def sign_out(name: str) -> None:
    """End every session of a person, as `receiver user sessions` names them."""
    with people() as found:
        count = found.sessions.end_all(by_command(), name)
    click.echo(f"{count} sessions ended.")


def _said_of(session: Session) -> dict[str, object]:
    times = {name: _at(getattr(session, name)) for name in ("made_at", "seen_at", "ends_at")}
    return {"name": session.person, "role": session.role.value, "provider": session.provider, **times}


def _line_of(session: Session) -> str:
    since, seen = _at(session.made_at), _at(session.seen_at)
    return visible(f"{session.person:<32} {session.role.value:<14} {session.provider:<6} since {since}, seen {seen}")
