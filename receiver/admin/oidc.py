"""Signing in with somebody else's sign-in: OpenID Connect, by code with PKCE, state and nonce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError, OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, session
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from werkzeug.wrappers import Response

from receiver.errors import NotLetIn, ProviderUnavailable
from receiver.store.people.sessions import OIDC, Newcomer

from .oidc_settings import OidcSettings

_SECONDS = 10.0
_CLOCKS_APART = 60
_MOST_ASKED = 3
_ALGORITHMS, _OF_PUBLIC_KEYS = "id_token_signing_alg_values_supported", ("RS", "PS", "ES", "Ed")
_METADATA = "/.well-known/openid-configuration"


class Provider:
    """The provider of the settings, for one site."""

    def __init__(self, settings: OidcSettings, app: Flask) -> None:
        self._settings = settings
        self.label = settings.label
        registry: Any = OAuth(app)
        way: dict[str, Any] = {"code_challenge_method": "S256", "default_timeout": _SECONDS}
        if settings.client_secret is None:
            way["token_endpoint_auth_method"] = "none"  # noqa: S105 - the name of a method
        self._client: Any = registry.register(
            "oidc",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=settings.issuer.rstrip("/") + _METADATA,
            client_kwargs={"scope": " ".join(settings.scopes), **way},
        )

    def ask(self, answer_to: str) -> Response:
        """Sends the browser to the provider, which sends it back to ``answer_to``. Raises ProviderUnavailable."""
        self._metadata()
        # Each question is kept in the visitor's cookie until it is answered, and a cookie holds little.
        for old in [name for name in session if name.startswith("_state_")][:-_MOST_ASKED]:
            session.pop(old)
        try:
            found: Response = self._client.authorize_redirect(answer_to)
        except (requests.RequestException, AuthlibBaseError, ValueError, RuntimeError) as error:
            raise _unavailable() from error
        return found

    def answer(self) -> tuple[Newcomer, str]:
        """Who the provider says has come, and their id there, which never changes: from the request of the browser.

        Raises NotLetIn, whose ``reason`` says why not, and ProviderUnavailable.
        """
        metadata = self._metadata()
        wanted = {
            "iss": {"essential": True, "values": [self._settings.issuer]},
            "aud": {"essential": True, "values": [self._settings.client_id]},
        }
        try:
            token = self._client.authorize_access_token(claims_options=wanted, leeway=_CLOCKS_APART)
            claims: dict[str, Any] = dict(token.get("userinfo") or {})
            if claims and self._wanted() - claims.keys() and metadata.get("userinfo_endpoint"):
                told = self._client.userinfo(token=token)
                claims = {**told, **claims} if told.get("sub") == claims.get("sub") else claims
        except (MismatchingStateError, ExpiredTokenError, ClaimError, JoseError, OAuthError) as error:
            raise _refused(error) from error
        except (requests.RequestException, AuthlibBaseError, ValueError, RuntimeError) as error:
            raise _unavailable() from error
        if not claims:
            raise NotLetIn("The provider did not say who you are.", reason="no_id_token")
        return self._newcomer(claims), str(claims["sub"])

    def sign_out_address(self, back: str) -> str | None:
        """Where the provider's own session can be ended; None where it offers nothing, or does not answer."""
        try:
            end = self._metadata().get("end_session_endpoint")
        except ProviderUnavailable:
            return None
        asked = urlencode({"client_id": self._settings.client_id, "post_logout_redirect_uri": back})
        return f"{end}{'&' if '?' in end else '?'}{asked}" if end else None

    def _metadata(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._client.load_server_metadata()
        except (requests.RequestException, ValueError) as error:
            raise _unavailable() from error
        if found.get("issuer") != self._settings.issuer:
            # Kept, it would be believed from now on.
            self._client.server_metadata.clear()
            raise ProviderUnavailable("The provider calls itself by another name than the one that is set.")
        # None that a secret of ours could sign, or nobody at all.
        offered = found.get(_ALGORITHMS) or ()
        found[_ALGORITHMS] = [name for name in offered if name.startswith(_OF_PUBLIC_KEYS)] or ["RS256"]
        return found

    def _wanted(self) -> set[str]:
        settings = self._settings
        found = {settings.role_claim, settings.name_claim, "name"}
        return found if settings.sources_claim is None else found | {settings.sources_claim}

    def _newcomer(self, claims: Mapping[str, Any]) -> Newcomer:
        settings = self._settings
        roles = [settings.roles[said] for said in _listed(claims.get(settings.role_claim)) if said in settings.roles]
        if not roles:
            raise NotLetIn("The provider gives you no role here.", reason="no_role")
        sources: tuple[str, ...] | None = None
        if settings.sources_claim is not None:
            sources = tuple(_listed(claims.get(settings.sources_claim)))
            if not sources:
                raise NotLetIn("The provider names no source that you may see.", reason="no_source")
        name = str(claims.get(settings.name_claim) or claims["sub"])[:200]
        # The prefix: nobody there can pass for an account here.
        shown = str(claims.get("name") or name)[:200]
        return Newcomer(f"{OIDC}:{name}", shown, max(roles), sources, OIDC)


def _listed(claim: object) -> list[str]:
    """The values of a claim that may be one text or a list of them."""
    values = claim if isinstance(claim, list) else [claim]
    return [value for value in values if isinstance(value, str)]


def _refused(error: Exception) -> NotLetIn:
    if isinstance(error, MismatchingStateError):
        return NotLetIn("The answer does not belong to what this browser asked for.", reason="wrong_state")
    if isinstance(error, ExpiredTokenError):
        return NotLetIn("The provider's answer has expired.", reason="expired")
    if isinstance(error, ClaimError):
        return NotLetIn("The provider's answer is not for this sign-in.", reason=f"wrong_{error.claim}")
    if isinstance(error, OAuthError):
        return NotLetIn("The provider did not sign you in.", reason="refused_by_provider")
    return NotLetIn("The provider's answer is not signed as it should be.", reason="wrong_signature")


def _unavailable() -> ProviderUnavailable:
    return ProviderUnavailable("The provider does not answer.")
