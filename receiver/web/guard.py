"""Who may push: HTTP Basic, addresses, or loopback alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from werkzeug.datastructures import Authorization
from werkzeug.security import check_password_hash

from receiver.errors import AddressNotAllowed, WrongCredentials

Network = IPv4Network | IPv6Network


def is_usable_hash(text: str) -> bool:
    """Whether a password can be checked against ``text``, in werkzeug's form: method, salt and hash."""
    try:
        check_password_hash(text, "")
    except ValueError:
        return False
    return len([part for part in text.split("$", 2) if part]) == 3


@dataclass
class Guard:
    """One source's conditions. Without a username and without networks, only loopback addresses may push.

    ``password`` or ``password_hash`` goes with ``username``.
    """

    username: str | None = None
    password: str | None = None
    password_hash: str | None = None
    networks: Sequence[Network] = ()
    _proven: set[bytes] = field(default_factory=set, repr=False)

    def check(self, authorization: Authorization | None, address: str | None, *, forwarded: bool) -> None:
        """Raise WrongCredentials or AddressNotAllowed unless the request may push.

        ``forwarded`` says that the request names another address behind ``address``: it came through a proxy, whose
        own address alone proves nothing of the sender. What the request names is never believed.
        """
        if self.username is None and forwarded:
            raise AddressNotAllowed("Requests through a proxy need a user name and password.")
        if self.networks or self.username is None:
            self._check_address(address)
        if self.username is not None and not self._knows(authorization):
            raise WrongCredentials("The user name or password is missing or wrong.")

    def _check_address(self, address: str | None) -> None:
        try:
            found = ip_address((address or "").partition("%")[0])
        except ValueError:
            raise AddressNotAllowed("The sender's address is not known.") from None
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if self.networks:
            allowed = any(found in network for network in self.networks if network.version == found.version)
        else:
            allowed = found.is_loopback
        if not allowed:
            raise AddressNotAllowed("The sender's address may not push here.")

    def _knows(self, authorization: Authorization | None) -> bool:
        if authorization is None or authorization.type != "basic":
            return False
        name, password = authorization.username or "", authorization.password or ""
        same_name = hmac.compare_digest(name.encode(), (self.username or "").encode())
        return self._is_password(password) and same_name

    def _is_password(self, password: str) -> bool:
        if self.password is not None:
            return hmac.compare_digest(password.encode(), self.password.encode())
        # A password hash is slow on purpose: what it has accepted once is remembered by a digest.
        digest = hashlib.sha256(password.encode()).digest()
        if digest in self._proven:
            return True
        if self.password_hash is not None and check_password_hash(self.password_hash, password):
            self._proven.add(digest)
            return True
        return False
