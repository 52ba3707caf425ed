"""Every error of the receiver, in one tree: a reason code, one line for people, and whether trying again can help."""

from __future__ import annotations


class ReceiverError(Exception):
    """Base of all errors raised on purpose.

    ``reason`` is a stable code for logs, metrics and replies; ``str(error)`` is one line for a person, free of
    personal data; ``can_retry`` says whether the same input may succeed later without anyone changing anything.
    """

    reason = "error"
    can_retry = False

    def __init__(self, text: str, *, reason: str | None = None) -> None:
        super().__init__(text)
        if reason is not None:
            self.reason = reason


class SettingsError(ReceiverError):
    """A setting is wrong or missing; the start stops."""

    reason = "settings"


class Unreadable(ReceiverError):
    """The bytes cannot be read as a push: the sender's fault, and final for these bytes.

    ``line`` is the line in the bytes as sent, from 1, or None where there is none.
    """

    reason = "unreadable"

    def __init__(self, text: str, *, reason: str, line: int | None = None) -> None:
        super().__init__(text, reason=reason)
        self.line = line


class NotUnderstood(Unreadable):
    """A SOAP header that must be understood is not (SOAP 1.1, 4.2.3; SOAP 1.2 part 1, 5.4.8)."""


class Refused(ReceiverError):
    """A request is turned away at the door before its body counts as a push. ``status`` is the HTTP status."""

    status = 400
    reason = "refused"


class CutShort(Refused):
    """The body ended before the length that was promised, or inside a chunk."""

    reason = "cut_short"


class TooLarge(Refused):
    """The body is larger than the receiver takes."""

    status = 413
    reason = "too_large"


class EncodedContent(Refused):
    """The body has a Content-Encoding."""

    status = 415
    reason = "content_encoding"


class WrongCredentials(Refused):
    """The sender's credentials are missing or wrong."""

    status = 401
    reason = "credentials"


class AddressNotAllowed(Refused):
    """The sender's address is not one that this source may push from."""

    status = 403
    reason = "address"


class FromBrowser(Refused):
    """A web page sent it: a push never comes from one."""

    status = 403
    reason = "browser"


class TooBusy(Refused):
    """Too much of the same kind is under way."""

    status = 503
    reason = "busy"
    can_retry = True


class StoreError(ReceiverError):
    """The database could not do what was asked."""

    reason = "store"
    can_retry = True


class StoreUnavailable(StoreError):
    """The database cannot be reached, or ended the connection."""

    reason = "store_unavailable"


class ConnectionLost(StoreUnavailable):
    """A connection that worked before ended; a new one may well work, and a commit may or may not have happened."""

    reason = "connection_lost"


class StoreConflict(StoreError):
    """Another transaction got there first; the same transaction, begun again, will see what it wrote."""

    reason = "store_conflict"


class BehindMigrations(StoreError):
    """The database's schema is not the one this release needs."""

    reason = "behind_migrations"
    can_retry = False


class SpoolError(ReceiverError):
    """The spool could not keep or give back a push: a fault of its disk."""

    reason = "spool"
    can_retry = True


class SpoolFull(SpoolError):
    """The spool holds as much as it may."""

    reason = "spool_full"


class SpoolDamaged(SpoolError):
    """A spooled push is not what was written: its length or digest differs, or its head cannot be read."""

    reason = "spool_damaged"
    can_retry = False


class Stopped(ReceiverError):
    """A person stopped a long piece of work between two of its steps; it can be done again from the start."""

    reason = "stopped"
    can_retry = True


class WrongFilter(ReceiverError):
    """What is looked for cannot be read: an unknown criterion, or a value that is none."""

    reason = "wrong_filter"


class NotAllowed(ReceiverError):
    """What was asked for may not be: a password that is too usual, a name that is taken, a role that is none."""

    reason = "not_allowed"


class TooManyAttempts(ReceiverError):
    """Signing in failed too often; ``seconds`` says when it may be tried again."""

    reason = "too_many_attempts"
    can_retry = True

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class NotLetIn(ReceiverError):
    """Somebody did not show who they are, or is nobody who may come in."""

    reason = "not_let_in"


class ProviderUnavailable(ReceiverError):
    """Those who sign people in for us do not answer, or not as they should."""

    reason = "provider_unavailable"
    can_retry = True


class WrongState(ReceiverError):
    """What was asked for is not possible now: it has been decided already, or has ended."""

    reason = "wrong_state"


class NotCorrected(ReceiverError):
    """A correction is not valid either: nothing was written. What is wrong with it, ``check`` says."""

    reason = "not_corrected"


class LeaseLost(ReceiverError):
    """Another process has taken a piece of work over: what this one was about to write is not written."""

    reason = "lease_lost"


class NotFound(ReceiverError):
    """What was asked for does not exist."""

    reason = "not_found"


class BytesGone(NotFound):
    """A push is known, and its bytes are not kept any more: they expired or were erased."""

    reason = "bytes_gone"
