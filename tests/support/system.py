"""Programs of the machine that tests need: found, else installed from Debian where that may be done.

``python -m tests.support.system`` sees to all of them, so that tests need not wait for an installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")
_CLUSTER_DEFAULTS = Path("/etc/postgresql-common/createcluster.d/drs-receiver-tests.conf")


class Missing(Exception):
    """Something of the machine is not there and cannot be put there; the text is one line."""


def postgres_binaries() -> Path:
    """The folder with ``initdb`` and ``postgres``, of the newest version found."""
    return _ensure(_find_postgres, "PostgreSQL's server programs (initdb, postgres)", "postgresql")


def node() -> Path:
    """Node.js."""
    return _ensure(lambda: _which("node"), "Node.js", "nodejs")


def npm() -> Path:
    """npm, and Node.js with it."""
    node()
    return _ensure(lambda: _which("npm"), "npm", "npm")


def strace() -> Path:
    """strace, which shows system calls and can make them fail."""
    return _ensure(lambda: _which("strace"), "strace", "strace")


def libfaketime() -> Path:
    """The library that, loaded before all others, gives a program another time of day."""
    return _ensure(_find_libfaketime, "libfaketime", "libfaketime")


def nginx() -> Path:
    """nginx, with TLS."""
    return _ensure(lambda: _which("nginx", "/usr/sbin"), "nginx", "nginx-light")


def slowhttptest() -> Path:
    """slowhttptest, which opens slow connections."""
    return _ensure(lambda: _which("slowhttptest"), "slowhttptest", "slowhttptest")


def chromium() -> Path:
    """Chromium, which shows pages as people's browsers do."""
    return _ensure(lambda: _which("chromium"), "Chromium", "chromium")


def openssl() -> Path:
    """OpenSSL's command."""
    return _ensure(lambda: _which("openssl"), "openssl", "openssl")


def _which(program: str, also: str = "") -> Path | None:
    """Where the program is; ``also`` is a folder that may not be on the path."""
    found = shutil.which(program) or shutil.which(program, path=also)
    return Path(found) if found else None


def _find_postgres() -> Path | None:
    def version(folder: Path) -> int:
        digits = "".join(c for c in folder.parent.name if c.isdigit())
        return int(digits or 0)

    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    on_path = [Path(folder) for folder in os.get_exec_path()]
    for folder in (*sorted(packaged, key=version, reverse=True), *on_path):
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    return None


def _find_libfaketime() -> Path | None:
    found = (
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *Path("/usr").glob("lib*/faketime/libfaketimeMT.so.1"),
    )
    return next(iter(found), None)


def _ensure(find: Callable[[], Path | None], what: str, package: str) -> Path:
    found = find()
    if found is None:
        _install(what, package)
        found = find()
    if found is None:
        raise Missing(f"{what} not found, even after installing Debian's package {package}")
    return found


def _install(what: str, package: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"{what} not found: install it (Debian: apt-get install {package})")
    print(f"Installing Debian's package {package}", flush=True)
    with _no_cluster_of_its_own(), _no_services():
        for command in ([*_APT, "update"], [*_APT, "install", "--no-install-recommends", package]):
            done = subprocess.run(
                command,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
                raise Missing(f"{what} not found, and {' '.join(command)} failed: {reason}")


@contextmanager
def _no_cluster_of_its_own() -> Iterator[None]:
    """Keep Debian's PostgreSQL package from making and starting a server while it is installed here."""
    if Path("/etc/postgresql-common/createcluster.conf").exists():
        yield  # the machine has been set up for PostgreSQL already: what happens is its owner's choice
        return
    _CLUSTER_DEFAULTS.parent.mkdir(parents=True, exist_ok=True)
    _CLUSTER_DEFAULTS.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        _CLUSTER_DEFAULTS.unlink(missing_ok=True)
        with suppress(OSError):  # left as found when the package did not come
            _CLUSTER_DEFAULTS.parent.rmdir()
            _CLUSTER_DEFAULTS.parent.parent.rmdir()


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian's packages from starting servers while they are installed here."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield  # the machine's owner has decided what may start
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def main() -> int:
    """See to every program; one line for each that is missing. Returns the exit status."""
    wanted: list[Callable[[], Path]] = [npm, strace, libfaketime, nginx, openssl, slowhttptest, chromium]
    if not os.environ.get("RECEIVER_TEST_DATABASE_URL"):
        wanted.append(postgres_binaries)
    status = 0
    for ensure in wanted:
        try:
            ensure()
        except Missing as missing:
            print(missing, file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
