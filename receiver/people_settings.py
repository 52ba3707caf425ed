"""Settings of people: who signs them in for us, and what their claims mean. Part ``[people]`` of the settings file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/\S*)?")
_STRICT = ConfigDict(extra="forbid", frozen=True)


def _issuer(text: str) -> str:
    if not re.fullmatch(r"https://[^\s/]\S*", text) and not _LOOPBACK.fullmatch(text):
        raise ValueError(f"{text!r} is no address of a provider that begins with https://")
    return text


class Provider(BaseModel):
    """``[people.oidc]``: an OpenID Connect provider, such as Entra ID.

    ``client_secret_env`` names the variable that holds the secret; without it, this is a public client.
    """

    model_config = _STRICT
    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: str = Field(min_length=1)
    client_secret_env: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    role_claim: str = "roles"
    sources_claim: str | None = None
    label: str = "Sign in with your organisation's account"

    @model_validator(mode="after")
    def _asks_who(self) -> Provider:
        if "openid" not in self.scopes:
            raise ValueError('scopes has no "openid": the provider would not say who has come')
        return self


class People(BaseModel):
    """``[people]``. ``roles``: value of the provider's claim to role here."""

    model_config = _STRICT
    oidc: Provider | None = None
    roles: dict[str, Literal["viewer", "operator", "administrator"]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_roles(self) -> People:
        if self.oidc is not None and not self.roles:
            raise ValueError("with oidc, roles says which claims are viewers, operators, administrators")
        return self
