"""Signing in and out: by name and password, by a link, or with somebody else's sign-in."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import NotFound

from receiver.errors import NotAllowed, NotLetIn, ProviderUnavailable, TooBusy, TooManyAttempts
from receiver.store.people import attempts, passwords
from receiver.store.people.accounts import Account
from receiver.store.people.chain import Action
from receiver.store.people.sessions import LINK, LOCAL, OIDC, Newcomer

from .access import Role, current_person, needs, open_to_all
from .sessions import Kept, PeopleSessions

if TYPE_CHECKING:
    from .gate import Gate
    from .oidc import Provider

_WRONG = "The name or the password is wrong"


def blueprint(gate: Gate) -> Blueprint:
    """The pages that open the gate."""
    pages, views = Blueprint("signin", __name__, url_prefix="/"), _SignIn(gate)
    pages.record_once(views.prepare)
    for rule, name, view, methods in (
        ("sign-in", "show", views.show, ["GET"]),
        ("sign-in", "by_password", views.by_password, ["POST"]),
        ("sign-in/link/<token>", "show_link", views.show_link, ["GET"]),
        ("sign-in/link/<token>", "by_link", views.by_link, ["POST"]),
        ("sign-in/provider", "ask_provider", views.ask_provider, ["GET"]),
        ("sign-in/provider/answer", "by_provider", views.by_provider, ["GET"]),
        ("sign-out", "sign_out", views.sign_out, ["POST"]),
        ("signed-out", "signed_out", views.signed_out, ["GET"]),
        ("password", "show_password", views.show_password, ["GET"]),
        ("password", "set_password", views.set_password, ["POST"]),
    ):
        pages.add_url_rule(rule, name, view, methods=methods)
    return pages


def local_path(text: str | None) -> str:
    """Where to go after signing in: the path asked for if it is one of these pages, else the first page."""
    root = f"{request.script_root}/"
    found = text or ""
    if not found.startswith(root) or found.startswith("//") or "\\" in found or not found.isprintable():
        return root
    parts = urlsplit(found)
    if parts.scheme or parts.netloc or ".." in parts.path.split("/"):
        return root
    return found


class _SignIn:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._provider: Provider | None = None

    def prepare(self, state: BlueprintSetupState) -> None:
        """Make the provider known to the application."""
        if self._gate.oidc is not None:
            from .oidc import Provider  # noqa: PLC0415 - loads what only those need who have a provider

            self._provider = Provider(self._gate.oidc, cast("Any", state.app))

    # By name and password

    @open_to_all
    def show(self) -> Any:
        """The form."""
        back = local_path(request.args.get("next"))
        return redirect(back, 303) if g.person is not None else self._form(back)

    @open_to_all
    def by_password(self) -> Any:
        """The form, filled in."""
        back = local_path(request.form.get("next"))
        name, password = request.form.get("name", "").strip(), request.form.get("password", "")
        if not name or not password:
            return self._form(back, "Enter your name and your password", name), 422
        own, at = attempts.account(name), attempts.address(self._address())
        try:
            self._gate.attempts.begin(own, at)
            account = self._check(name, password)
        except TooManyAttempts as error:
            return self._too_many(error)
        except TooBusy:
            self._gate.attempts.take_back(own, at)
            return self._form(back, "Too many people are signing in at this moment. Try again.", name), 503
        if account is None:
            return self._form(back, _WRONG, name), 422
        self._gate.attempts.succeeded(own, at)
        self._begin(Newcomer(account.name, account.display_name, account.role, account.sources, LOCAL))
        return redirect(back, 303)

    def _check(self, name: str, password: str) -> Account | None:
        """The account, if the password is its own; every no takes as long, and is noted. Raises TooBusy."""
        accounts = self._gate.accounts
        account = accounts.find(name)
        with self._gate.hashing:
            known = None if account is None else account.password_hash
            is_right = passwords.is_right(password, known)
            renewed = passwords.hashed(password) if is_right and known and passwords.is_outdated(known) else None
        if is_right and account is not None and account.disabled_at is None:
            if renewed is not None:
                accounts.renew_hash(account, renewed)
            return account
        # A name that is none may be a password, typed into the wrong box.
        who = "unknown" if account is None else account.name
        why = "unknown" if account is None else "password" if account.disabled_at is None else "disabled"
        self._gate.trail.note(who, Action.SIGN_IN_FAILED, details={"address": self._address(), "why": why})
        return None

    # By a link

    @open_to_all
    def show_link(self, token: str) -> Any:
        """A button: what follows links for people, in mail and chat, presses none."""
        if not self._gate.links.is_usable(token):
            return render_template("signin/link_gone.html"), 404
        return render_template("signin/link.html", token=token)

    @open_to_all
    def by_link(self, token: str) -> Any:
        """The button, pressed."""
        link = self._gate.links.use(token)
        if link is None:
            return render_template("signin/link_gone.html"), 404
        account = self._gate.accounts.find(link.person)
        if account is not None and account.disabled_at is not None:
            why = {"address": self._address(), "why": "disabled"}
            self._gate.trail.note(account.name, Action.SIGN_IN_FAILED, details=why)
            return render_template("signin/link_gone.html"), 404
        if account is None:
            who = Newcomer(link.person, link.person, link.role, link.sources, LINK)
        else:
            who = Newcomer(account.name, account.display_name, account.role, account.sources, LINK)
        self._begin(who)
        new = account is not None and account.password_hash is None
        return redirect(url_for("signin.show_password") if new else local_path(None), 303)

    # With a provider

    @open_to_all
    def ask_provider(self) -> Any:
        """Sends the browser there."""
        if self._provider is None:
            return redirect(url_for("signin.show"), 303)
        session["next"] = local_path(request.args.get("next"))
        try:
            return self._provider.ask(self._outside(url_for("signin.by_provider")))
        except ProviderUnavailable as error:
            return self._not_let_in(error)

    @open_to_all
    def by_provider(self) -> Any:
        """Where the provider sends it back to."""
        if self._provider is None:
            return redirect(url_for("signin.show"), 303)
        back = local_path(session.get("next"))
        try:
            who, subject = self._provider.answer()
        except (NotLetIn, ProviderUnavailable) as error:
            return self._not_let_in(error)
        self._begin(who, subject=subject)
        return redirect(back, 303)

    def _not_let_in(self, error: NotLetIn | ProviderUnavailable) -> Any:
        details = {"address": self._address(), "why": error.reason, "provider": OIDC}
        if isinstance(error, NotLetIn) and error.reason in ("no_role", "no_source"):
            self._gate.trail.note("unknown", Action.SIGN_IN_FAILED, details=details)
        status = 503 if isinstance(error, ProviderUnavailable) else 403
        return render_template("signin/not_let_in.html", text=str(error), reason=error.reason), status

    # Out again

    @open_to_all
    def sign_out(self) -> Any:
        """The button on every page. Open to all: a session that has just ended by itself is no reason to complain."""
        person = g.person
        _interface().sign_out(_kept())
        g.person = None
        return redirect(url_for("signin.signed_out", of=person.provider if person is not None else None), 303)

    @open_to_all
    def signed_out(self) -> Any:
        """Says so; and where the provider's own session can be ended."""
        address = None
        if self._provider is not None and request.args.get("of") == OIDC:
            address = self._provider.sign_out_address(self._outside(url_for("signin.signed_out")))
        return render_template("signin/signed_out.html", address=address)

    # One's own password

    @needs(Role.VIEWER)
    def show_password(self) -> Any:
        """The form for another one."""
        return self._password_form(self._own())

    @needs(Role.VIEWER)
    def set_password(self) -> Any:
        """The form, filled in. Who came by a link need not know the one there was."""
        account, person = self._own(), current_person()
        new, old = request.form.get("new", ""), request.form.get("old", "")
        own = attempts.account(account.name)
        try:
            passwords.require_allowed(new, account.name)
            with self._gate.hashing:
                if person.provider == LOCAL:
                    self._gate.attempts.begin(own)
                    if not passwords.is_right(old, account.password_hash):
                        return self._password_form(account, "The password you have now is wrong"), 422
                    self._gate.attempts.succeeded(own)
                found = passwords.hashed(new)
        except (NotAllowed, TooBusy) as error:
            return self._password_form(account, str(error)), 422
        except TooManyAttempts as error:
            return self._too_many(error)
        self._gate.accounts.set_password(person.by, account.name, found)
        # Every session has ended, this one too: whoever had one open somewhere is out.
        self._begin(Newcomer(account.name, account.display_name, account.role, account.sources, LOCAL))
        return redirect(local_path(None), 303)

    def _own(self) -> Account:
        person = current_person()
        account = None if person.provider == OIDC else self._gate.accounts.find(person.name)
        if account is None:
            raise NotFound("Your name and password are kept elsewhere: change your password there.")
        return account

    # What they have in common

    def _begin(self, who: Newcomer, **details: object) -> None:
        _interface().sign_in(_kept(), who, {"address": self._address(), **details})

    def _address(self) -> str:
        """Whose request it is; of IPv6 the network that one person is usually given."""
        found = self._gate.proxies.sender(request).address
        if isinstance(found, IPv6Address):
            return str(ip_network((found, 64), strict=False))
        return str(found or "unknown")

    def _outside(self, path: str) -> str:
        return self._gate.proxies.address(request) + path

    def _form(self, back: str, problem: str | None = None, name: str = "") -> Any:
        has_accounts = self._gate.accounts.is_any()
        shown = {"back": back, "problem": problem, "name": name, "has_accounts": has_accounts}
        return render_template("signin/sign_in.html", provider=self._provider, **shown)

    def _password_form(self, account: Account, problem: str | None = None) -> Any:
        asks_old = current_person().provider == LOCAL
        return render_template("signin/password.html", problem=problem, asks_old=asks_old, account=account)

    def _too_many(self, error: TooManyAttempts) -> Any:
        seconds = int(error.seconds) + 1
        page = render_template("signin/too_many.html", seconds=seconds)
        return page, 429, {"Retry-After": str(seconds)}


def _kept() -> Kept:
    kept = session._get_current_object()  # type: ignore[attr-defined]
    return cast("Kept", kept)


def _interface() -> PeopleSessions:
    return cast("PeopleSessions", current_app.session_interface)
