"""A small file system of one's own, to be filled."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# Reads until the tests' process is gone, however it went, then clears up.
_KEEPER = 'cat >/dev/null; umount -l "$1"; rmdir "$1"'


class SmallDisk:
    """A tmpfs of ``mebibytes``, mounted while the block lasts, however the tests end. Needs root."""

    def __init__(self, mebibytes: int) -> None:
        self._size = mebibytes

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            pytest.fail("a file system that can be filled needs root: mount -t tmpfs", pytrace=False)
        self.folder = Path(tempfile.mkdtemp(prefix="receiver-small-disk-"))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self._size}m,mode=1777", "none", str(self.folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            self.folder.rmdir()
            pytest.fail(f"a small file system cannot be mounted: {done.stderr.strip()}", pytrace=False)
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=60)

    def fill(self) -> None:
        """Take all the space there is, whoever else is writing."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(64 * 1024))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """Give the space back."""
        (self.folder / "filler").unlink()
