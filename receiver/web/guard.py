"""Who may push: HTTP Basic, addresses, or loopback alone."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore

from werkzeug.datastructures import Authorization
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Request

from receiver.errors import AddressNotAllowed, TooBusy, WrongCredentials
from receiver.strands import elsewhere

from .proxies import Network, Sender, is_in

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HASHING_SECONDS = 10.0
_MOST_WAITING = 4
_MOST_DIGESTS = 1000


def is_usable_hash(text: str) -> bool:
    """Whether a password can be checked against ``text``, in werkzeug's form: method, salt and hash."""
    try:
        check_password_hash(text, "")
    except ValueError:
        return False
    return len([part for part in text.split("$", 2) if part]) == 3


def read_authorization(request: Request) -> Authorization | None:
    """What the request gives for credentials; None for none, and for what no credentials can look like."""
    # werkzeug stumbles over what is not ASCII.
    given = request.environ.get("HTTP_AUTHORIZATION")
    return request.authorization if given is not None and given.isascii() else None


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
    _wrong: dict[bytes, None] = field(default_factory=dict, repr=False)
    _hashing: BoundedSemaphore = field(default_factory=BoundedSemaphore, repr=False)
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1 + _MOST_WAITING), repr=False)

    def check(self, authorization: Authorization | None, sender: Sender) -> None:
        """Raise WrongCredentials, AddressNotAllowed or TooBusy unless the request may push.

        The address of a proxy that is not named alone proves nothing of who is behind it.
        """
        if self.username is None and sender.is_behind_stranger:
            raise AddressNotAllowed("Requests through a proxy need a user name and password.")
        if self.networks or self.username is None:
            self._check_address(sender)
        if self.username is not None and not self._knows(authorization):
            raise WrongCredentials("The user name or password is missing or wrong.")

    def _check_address(self, sender: Sender) -> None:
        if sender.address is None:
            raise AddressNotAllowed("The sender's address is not known.")
        if not (is_in(sender.address, self.networks) if self.networks else sender.address.is_loopback):
            raise AddressNotAllowed("The sender's address may not push here.")

    def _knows(self, authorization: Authorization | None) -> bool:
        if authorization is None or authorization.type != "basic":
            return False
        name, password = authorization.username or "", authorization.password or ""
        if _CONTROL.search(name + password):
            return False  # RFC 7617, 2; and a hash does not tell a password from the same with NULs behind it
        same_name = hmac.compare_digest(name.encode(), (self.username or "").encode())
        return self._is_password(password) and same_name

    def _is_password(self, password: str) -> bool:
        if self.password is not None:
            return hmac.compare_digest(password.encode(), self.password.encode())
        return self.password_hash is not None and self._matches(self.password_hash, password)

    def _matches(self, hashed: str, password: str) -> bool:
        """A password hash is slow on purpose, and takes memory: each password is tried once, and one at a time.

        So the right one never waits once it was proven. Guessing costs one processor at most, and a few threads: when
        there are that many waiting, the next hears at once that it must come again.
        """
        digest = hashlib.sha256(password.encode()).digest()
        if (known := self._known(digest)) is not None:
            return known
        if not self._places.acquire(blocking=False):
            raise _too_many_checks()
        try:
            return elsewhere(lambda: self._check(hashed, password, digest))
        finally:
            self._places.release()

    def _check(self, hashed: str, password: str, digest: bytes) -> bool:
        if not self._hashing.acquire(timeout=_HASHING_SECONDS):
            raise _too_many_checks()
        try:
            if (known := self._known(digest)) is not None:
                return known  # someone came with the same while this one waited
            if found := check_password_hash(hashed, password):
                self._proven.add(digest)
            else:
                self._remember_wrong(digest)
            return found
        finally:
            self._hashing.release()

    def _known(self, digest: bytes) -> bool | None:
        return True if digest in self._proven else False if digest in self._wrong else None

    def _remember_wrong(self, digest: bytes) -> None:
        """Keep the last few: a sender that has not heard of a new password tries the old one for days."""
        if len(self._wrong) >= _MOST_DIGESTS:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[digest] = None


def _too_many_checks() -> TooBusy:
    return TooBusy("Too many passwords are being checked. Send the push again later.")
