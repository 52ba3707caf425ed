"""Passwords of people: what may be one, and hashes of them."""

from __future__ import annotations

import re
from functools import lru_cache
from threading import BoundedSemaphore
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from receiver.errors import NotAllowed, TooBusy

SHORTEST = 12
_LONGEST = 200
_FEWEST_DIFFERENT = 5
_MOST_WAITING, _LONGEST_TURN = 8, 10.0
# What the most usual passwords are made of, whatever digits and signs stand around it.
_USUAL = (
    *("password", "passwort", "passw0rd", "passwd", "p@ssw0rd", "p@ssword", "secret", "letmein", "welcome", "changeme"),
    *("qwertyuiop", "qwerty", "asdfghjkl", "asdf", "zxcvbnm", "qazwsx", "abcdefghijkl", "abcdef", "abc", "azerty"),
    *("admin", "administrator", "operator", "viewer", "receiver", "root", "user", "test", "demo", "guest", "login"),
    *("iloveyou", "monkey", "dragon", "football", "liverpool", "arsenal", "chelsea", "sunshine", "princess", "master"),
    *("london", "hackney", "council", "housing", "repairs", "summer", "winter", "spring", "autumn"),
)
_PASSES, _KIBIBYTES, _LANES = 3, 32 * 1024, 1


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    """Some 60 ms of one processor. One lane, as there are few processors and other work for them."""
    return PasswordHasher(_PASSES, _KIBIBYTES, _LANES)


@lru_cache(maxsize=1)
def _decoy() -> str:
    """The hash of a password that nobody has: an unknown name takes as long as a wrong password."""
    return _hasher().hash("nobody has this one")


@lru_cache(maxsize=1)
def _usual() -> re.Pattern[str]:
    words = "|".join(re.escape(word) for word in sorted(_USUAL, key=len, reverse=True))
    return re.compile(rf"(?:{words}|[0-9\W_])+")


def require_allowed(password: str, name: str) -> None:
    """Raise NotAllowed, saying why, for what is no password for the account ``name``.

    Long, and none that everyone tries first; nothing is asked of its characters.
    """
    folded = normalize("NFKC", password).casefold()
    if len(folded) < SHORTEST:
        raise NotAllowed(f"A password has at least {SHORTEST} characters; three words that do not belong together do.")
    if len(folded) > _LONGEST:
        raise NotAllowed(f"A password has at most {_LONGEST} characters.")
    if len(set(folded)) < _FEWEST_DIFFERENT:
        raise NotAllowed("This password is made of too few different characters.")
    rest = folded.replace(name.casefold(), "") if len(name) > 2 else folded
    if not rest or _usual().fullmatch(rest):
        raise NotAllowed("This password is among the first that anyone would try.")


class Turn:
    """Has one hash be made at a time, as each takes a processor and 32 MiB, and lets few wait for their turn."""

    def __init__(self) -> None:
        self._hashing, self._places = BoundedSemaphore(), BoundedSemaphore(1 + _MOST_WAITING)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise TooBusy("Too many passwords are being checked at this moment. Try again.")
        if not self._hashing.acquire(timeout=_LONGEST_TURN):
            self._places.release()
            raise TooBusy("Too many passwords are being checked at this moment. Try again.")

    def __exit__(self, *_: object) -> None:
        self._hashing.release()
        self._places.release()


def hashed(password: str) -> str:
    """The password's hash, argon2id, with its salt and parameters in it."""
    return _hasher().hash(normalize("NFKC", password))


def is_right(password: str, known: str | None) -> bool:
    """Whether the hash is of the password. None, for nobody's, takes as long and is never right."""
    try:
        _hasher().verify(known or _decoy(), normalize("NFKC", password[:1000]))
    except (VerificationError, InvalidHashError):
        return False
    return known is not None


def is_outdated(known: str) -> bool:
    """Whether the hash was made with other parameters than are used now."""
    return _hasher().check_needs_rehash(known)
