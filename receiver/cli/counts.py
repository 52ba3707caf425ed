"""The folder in which worker processes share their counts: one for each server, gone when its server is."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from receiver.errors import SettingsError

_NAMED = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "receiver-metrics-"
_LOCK = "in-use"


@contextmanager
def folder_for_counts() -> Iterator[Path]:
    """A new folder, named in the environment; removed at the end by the process that made it.

    prometheus_client looks for its name when it is first imported, so it is set before the application is. One named
    from outside is where ours is made: what else is there may be someone's. What a server left that was killed is
    cleared away. Raises SettingsError when no folder can be made.
    """
    named = os.environ.get(_NAMED)
    try:
        if named:
            Path(named).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=named or None))
        # Inherited by the workers: it is held until the last of them has ended.
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise SettingsError(f"{_NAMED}: {named}: {error.strerror}.") from None
    _clear(folder.parent)
    os.environ[_NAMED] = str(folder)
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def _clear(parent: Path) -> None:
    """Remove folders of servers that are gone: ours by name and owner, and locked by nobody."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or cleared away by another server just now
            if folder.lstat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
