"""The spool: pushes on the local disk while the database cannot take them, each a file, whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from receiver.errors import SettingsError, SpoolDamaged, SpoolError, SpoolFull

_PUSH, _DAMAGED, _WRITING = ".push", ".damaged", ".writing"
_BLOCK = 4096
_ABANDONED = 3600


class SpoolReply(StrEnum):
    """What the sender hears of a push that is in the spool and not in the database yet."""

    UNAVAILABLE = "unavailable"
    SUCCESS = "success"


@dataclass(frozen=True)
class SpooledPush:
    """A push as it waits. ``received_at`` UTC; ``reply_status`` is the HTTP status that was answered.

    ``sender``: the address it came from.
    """

    push_id: str
    source: str
    received_at: datetime
    content_type: str | None
    reply_status: int
    body: bytes
    sender: str | None = None


@dataclass(frozen=True)
class SpoolState:
    """How full it is: ``pushes`` that wait, ``damaged`` ones set aside, ``size_bytes`` of disk of ``most_bytes``.

    ``oldest`` is when the first of those that wait was written (seconds of the epoch), None when none waits.
    """

    pushes: int
    damaged: int
    size_bytes: int
    most_bytes: int
    oldest: float | None

    @property
    def has_room(self) -> bool:
        """Whether a push of usual size still fits."""
        return self.size_bytes + 16 * _BLOCK <= self.most_bytes


class Spool:
    """A folder of pushes, used by any number of threads and processes of one host.

    A push is written beside its final name, synced, renamed and its folder synced: after ``add`` has returned it is
    there after a power cut too; before, it is not there at all. ``most_bytes`` bounds the disk that all use together.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most = folder, most_bytes

    def prepare(self, database: str, now: float) -> None:
        """Make the folder and see that it is of this ``database``; clear away what a crash left half written.

        ``now`` is in seconds of the epoch. Raises SettingsError when the folder cannot be used, or holds pushes that
        another database is to get.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self._folder / "database"
            before = owner.read_text(encoding="utf-8") if owner.exists() else database
            if before != database and self.pending():
                raise SettingsError(
                    f"RECEIVER_SPOOL: {self._folder} holds pushes for {before}, and this receiver stores in "
                    f"{database}: name another folder, or let a receiver of that database drain it first."
                )
            owner.write_text(database, encoding="utf-8")
            for left in self._folder.glob(f".*{_WRITING}"):
                if now - left.stat().st_mtime > _ABANDONED:
                    left.unlink(missing_ok=True)
            self._recount()
        except OSError as error:
            raise SettingsError(f"RECEIVER_SPOOL: {self._folder}: {error.strerror}.") from None

    def add(self, push: SpooledPush) -> None:
        """Keep a push. Raises SpoolFull when there is no room left for it, SpoolError when the disk fails."""
        content = _encoded(push)
        size = _on_disk(len(content))
        try:
            with self._used() as used:
                if used.size_bytes + size > self._most:
                    raise SpoolFull("The spool is full.")
                used.size_bytes += size
            try:
                self._write(f"{push.push_id}.{push.source}{_PUSH}", content)
            except BaseException:  # whatever ends it, the room is given back, and it goes on being raised
                self._give_back(size)
                raise
        except OSError as error:
            raise SpoolError(f"The spool cannot be written: {error.strerror}.") from error

    def holds(self, source: str) -> bool:
        """Whether any push of the source waits. Raises SpoolError when the folder cannot be read."""
        return bool(self._names(f".{source}{_PUSH}"))

    def pending(self) -> list[str]:
        """The names of all pushes that wait, in the order in which they came."""
        return sorted(self._names(_PUSH))

    def read(self, name: str) -> SpooledPush:
        """A push that waits. Raises SpoolDamaged when it is not what was written, SpoolError when the disk fails."""
        try:
            content = (self._folder / name).read_bytes()
        except OSError as error:
            raise SpoolError(f"The spool cannot be read: {error.strerror}.") from error
        return _decoded(content)

    def remove(self, name: str) -> None:
        """Forget a push: the database has it."""
        path = self._folder / name
        try:
            size = _on_disk(path.stat().st_size)
            # Not synced: should the file come back after a power cut, its id is known.
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(f"The spool cannot be written: {error.strerror}.") from error
        self._give_back(size)

    def rewrite(self, name: str, body: bytes) -> None:
        """Put ``body`` in the place of what the push held; for erasing."""
        push = replace(self.read(name), body=body)
        try:
            self._write(name, _encoded(push))
            self._recount()
        except OSError as error:
            raise SpoolError(f"The spool cannot be written: {error.strerror}.") from error

    def set_aside(self, name: str) -> None:
        """Keep a damaged push out of the way, for a person."""
        path = self._folder / name
        try:
            path.rename(path.with_suffix(_DAMAGED))
            self._recount()
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(f"The spool cannot be written: {error.strerror}.") from error

    def state(self) -> SpoolState:
        """How full it is now. Raises SpoolError when the folder cannot be read."""
        waiting = self.pending()
        oldest = None
        with suppress(FileNotFoundError):
            oldest = (self._folder / waiting[0]).stat().st_mtime if waiting else None
        try:
            with self._used() as used:
                size = used.size_bytes
        except OSError as error:
            raise SpoolError(f"The spool cannot be read: {error.strerror}.") from error
        return SpoolState(len(waiting), len(self._names(_DAMAGED)), size, self._most, oldest)

    @contextmanager
    def draining(self) -> Iterator[bool]:
        """Whether the caller may drain it now: one at a time does, of all threads and processes."""
        with (self._folder / "draining").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _names(self, suffix: str) -> list[str]:
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError as error:
            raise SpoolError(f"The spool cannot be read: {error.strerror}.") from error
        return [name for name in names if name.endswith(suffix) and not name.startswith(".")]

    def _write(self, name: str, content: bytes) -> None:
        written = self._folder / f".{name}{_WRITING}"
        try:
            with os.fdopen(os.open(written, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written.rename(self._folder / name)
        except BaseException:  # whatever ends it, nothing half written stays, and it goes on being raised
            written.unlink(missing_ok=True)
            raise
        _sync(self._folder)

    @contextmanager
    def _used(self) -> Iterator[_Used]:
        """The bytes in use, shared by all processes; what the block makes of them is kept."""
        with os.fdopen(os.open(self._folder / "used", os.O_CREAT | os.O_RDWR, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            before = int(file.read() or b"0")
            used = _Used(before)
            yield used
            if used.size_bytes != before:
                file.seek(0)
                file.write(b"%020d" % max(0, used.size_bytes))

    def _give_back(self, size: int) -> None:
        with suppress(OSError), self._used() as used:
            used.size_bytes -= size

    def _recount(self) -> None:
        """Count anew: a crash between a push and its count leaves them apart."""
        with self._used() as used:
            paths = (self._folder / name for name in self._names(_PUSH))
            used.size_bytes = sum(_on_disk(path.stat().st_size) for path in paths)


@dataclass
class _Used:
    size_bytes: int


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _encoded(push: SpooledPush) -> bytes:
    """One line of JSON with everything but the body, then the body as it came."""
    head = asdict(push)
    del head["body"]
    head["received_at"] = push.received_at.isoformat()
    head["size"], head["sha256"] = len(push.body), hashlib.sha256(push.body).hexdigest()
    return json.dumps(head).encode() + b"\n" + push.body


def _decoded(content: bytes) -> SpooledPush:
    first, _, body = content.partition(b"\n")
    try:
        head = json.loads(first)
        whole = (head.pop("size"), head.pop("sha256")) == (len(body), hashlib.sha256(body).hexdigest())
        head["received_at"] = datetime.fromisoformat(head["received_at"])
        push = SpooledPush(**head, body=body)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SpoolDamaged("A spooled push has no readable head.") from None
    if not whole:
        raise SpoolDamaged("A spooled push is not what was written.")
    return push
