"""A wrong setting stops the start: one clear line, and a status that says so."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from receiver.store import engine as engines
from receiver.store import migrations
from tests.conftest import NewDatabase, StartReceiver
from tests.support.receiver import Receiver


@dataclass(frozen=True)
class Wrong:
    """Settings of which one is wrong, and what the line must hold: where, and what of it."""

    says: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    config: str | bytes | None = None
    arguments: tuple[str, ...] = ()


def env(name: str, value: str, *says: str) -> Wrong:
    return Wrong((f"RECEIVER_{name}", *says), {f"RECEIVER_{name}": value})


def source(lines: str, *says: str) -> Wrong:
    """Lines of ``[sources.drs]``."""
    return Wrong(("sources.drs", *says), config=f"[sources.drs]\n{lines}\n")


CREDENTIALS = "credentials are a username and one of password_env or password_hash"
HASH = 'password_hash = "{}"\nusername = "drs"'
WRONG: dict[str, Wrong] = {
    "workers in words": env("WORKERS", "many", "integer"),
    "no workers": env("WORKERS", "0", "greater than or equal to 1"),
    "no threads": env("THREADS", "0", "greater than or equal to 1"),
    "no database connections": env("DATABASE_CONNECTIONS", "0", "greater than or equal to 1"),
    "more threads than there should be": env("THREADS", "5000", "less than or equal to 512"),
    "no connections": env("CONNECTIONS", "0", "greater than or equal to 1"),
    "connections in words": env("CONNECTIONS", "many", "integer"),
    "no time for headers": env("HEAD_TIMEOUT", "0", "greater than 0"),
    "no time for a body": env("BODY_TIMEOUT", "-1", "greater than 0"),
    "a proxy by its name": env("TRUSTED_PROXIES", "10.0.0.1, proxy.example.org", "'proxy.example.org' is no address"),
    "any proxy": env("TRUSTED_PROXIES", "*", "'*' is no address or network"),
    "a network of monitors that is none": env("MONITORS", "10.0.0.0/33", "'10.0.0.0/33' is no address or network"),
    "no bytes": env("MAX_PUSH_BYTES", "0", "greater than 0"),
    "bytes with a unit": env("MAX_PUSH_BYTES", "32MiB", "integer"),
    "a depth too small to hold a push": env("MAX_DEPTH", "3", "greater than or equal to 8"),
    "a depth beyond the parser's": env("MAX_DEPTH", "100000", "less than or equal to"),
    "no elements": env("MAX_ELEMENTS", "0", "greater than or equal to"),
    "no patience": env("DATABASE_TIMEOUT", "0", "greater than 0"),
    "an unknown log level": env("LOG_LEVEL", "verbose", "'debug', 'info', 'warning' or 'error'"),
    "a user name alone": env("PUSH_USERNAME", "drs", "RECEIVER_PUSH_PASSWORD", "set both or neither"),
    "a password alone": env("PUSH_PASSWORD", "secret", "RECEIVER_PUSH_USERNAME", "set both or neither"),
    "a user name with a colon": Wrong(
        ("sources.drs", "colon"), {"RECEIVER_PUSH_USERNAME": "d:rs", "RECEIVER_PUSH_PASSWORD": "x"}
    ),
    "no database url": env("DATABASE_URL", "here", "no database URL"),
    "another database": env("DATABASE_URL", "mysql://host/name", "mysql is not supported"),
    "a database in memory": env("DATABASE_URL", "sqlite://", "names no SQLite file"),
    "a port that is none": env("DATABASE_URL", "postgresql://host:port/name", "no database URL"),
    "a folder that is not there": env("DATABASE_URL", "sqlite:////nowhere/receiver.db", "unable to open"),
    "an option nobody knows": env("DATABASE_URL", "postgresql://host/name?colour=red", "colour"),
    "a password elsewhere": env(
        "DATABASE_URL", "postgresql://127.0.0.1:9/x?password=secret", "refused", "password=hidden"
    ),
    "a database nobody serves": env("DATABASE_URL", "postgresql://me:secret@127.0.0.1:9/x", "refused", "me:***@"),
    "an address without a port": env("BIND", "127.0.0.1", "is not HOST:PORT"),
    "a port in words": env("BIND", "127.0.0.1:http", "is not HOST:PORT"),
    "a port alone": env("BIND", ":8000", "is not HOST:PORT"),
    "a port beyond the last": env("BIND", "127.0.0.1:65536", "0-65535"),
    "someone else's address": env("BIND", "192.0.2.1:8000", "cannot listen on 192.0.2.1:8000"),
    "a host that is none": env("BIND", "no.such.host.invalid:8000", "cannot listen on no.such.host.invalid:8000"),
    "a bad address on the command line": Wrong(("RECEIVER_BIND", "is not HOST:PORT"), arguments=("--bind", "here")),
    "a file that is not there": env("CONFIG", "/nowhere/receiver.toml", "/nowhere/receiver.toml", "No such file"),
    "a folder for a file": env("CONFIG", "/", "Is a directory"),
    "a file that is no TOML": Wrong(("RECEIVER_CONFIG", "line 2"), config='[sources.drs]\ntimezone = "Europe\n'),
    "a file that is not UTF-8": Wrong(("RECEIVER_CONFIG", "not UTF-8"), config=b'[sources.drs]\nusername="J\xd6RG"'),
    "a table nobody knows": Wrong(("receiver.toml: source:",), config="[source.drs]\n"),
    "a source's name with a slash": Wrong(("receiver.toml: sources.a/b",), config='[sources."a/b"]\n'),
    "a source that is no table": Wrong(("sources.drs",), config='[sources]\ndrs = "yes"\n'),
    "a key nobody knows": source('time_zone = "Europe/London"', "time_zone", "not permitted"),
    "a time zone nobody knows": source('timezone = "Europe/Camelot"', "timezone", "'Europe/Camelot' is no time zone"),
    "a folder of time zones": source('timezone = "Europe"', "timezone", "'Europe' is no time zone"),
    "a path for a time zone": source('timezone = "../zone"', "timezone", "is no time zone"),
    "no time zone": source('timezone = ""', "timezone", "is no time zone"),
    "an unknown way to treat what is invalid": source('on_invalid = "drop"', "on_invalid", "'refuse' or 'hold'"),
    "an unknown field required": source('required = ["contracts"]', "required", "'contracts' is no field"),
    "another name for an unknown field": source('fields.jobRef = "jobReference"', "fields.jobRef", "is no field"),
    "another name for an unknown kind": source('roots.JobDone = "done"', "roots.JobDone", "'confirmation'"),
    "a word for an unknown action": source('actions.MOVED = "moved"', "actions.MOVED", "'created'"),
    "outcomes nobody knows": source('outcomes.failure = ["REFUSAL"]', "outcomes.failure", "not permitted"),
    "outcomes that are no list": source('outcomes.success = "CO"', "outcomes.success"),
    "an address that is none": source('allow_from = ["my house"]', "allow_from", "'my house' is no address"),
    "a source's user name alone": source('username = "drs"', CREDENTIALS),
    "a source's password alone": source('password_env = "PASSWORD_OF_DRS"', CREDENTIALS),
    "two passwords": source('password_env = "PASSWORD_OF_DRS"\n' + HASH.format("a$b$c"), CREDENTIALS),
    "a password that is not set": source(
        'username = "drs"\npassword_env = "PASSWORD_OF_DRS"', "names PASSWORD_OF_DRS, which is not set"
    ),
    "a password for a hash": source(HASH.format("secret"), "password_hash", "receiver hash-password"),
    "a hash by an unknown method": source(HASH.format("rot13$salt$abc"), "password_hash", "receiver hash-password"),
    "a hash without its end": source(HASH.format("scrypt:32768:8:1$salt$"), "password_hash", "hash-password"),
    "a setting of gunicorn's kind": Wrong(("PROMETHEUS_MULTIPROC_DIR",), {"PROMETHEUS_MULTIPROC_DIR": "/proc/none"}),
}


def serve(wrong: Wrong, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RECEIVER_", "PROMETHEUS_"))}
    environment["RECEIVER_DATABASE_URL"] = f"sqlite:///{folder / 'receiver.db'}"
    environment["RECEIVER_DATABASE_TIMEOUT"] = "2"
    environment["RECEIVER_BIND"] = "127.0.0.1:0"
    if wrong.config is not None:
        path = folder / "receiver.toml"
        path.write_bytes(wrong.config if isinstance(wrong.config, bytes) else wrong.config.encode())
        environment["RECEIVER_CONFIG"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", "receiver", "serve", *wrong.arguments],
        env={**environment, **wrong.env},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


Starts = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starts]:
    """Every start that should fail, as many at a time as the machine has processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {name: pool.submit(serve, wrong, tmp_path_factory.mktemp("serve")) for name, wrong in WRONG.items()}


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What was said: one line, by us, and nothing else; the status is that of a wrong call."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("receiver: ")
    return lines[0]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_stops_the_start(starts: Starts, name: str) -> None:
    try:
        done = starts[name].result()
    except subprocess.TimeoutExpired:
        pytest.fail("the receiver started all the same", pytrace=False)
    line = one_line(done)
    for said in WRONG[name].says:
        assert said in line, line
    for value in ("secret", "a$b$c", "rot13$salt"):
        assert value not in line


def test_several_wrong_settings_are_all_told_in_the_line(tmp_path: Path) -> None:
    line = one_line(serve(Wrong((), {"RECEIVER_WORKERS": "none", "RECEIVER_THREADS": "none"}), tmp_path))
    assert "RECEIVER_WORKERS" in line
    assert "RECEIVER_THREADS" in line


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        line = one_line(serve(Wrong((), {"RECEIVER_BIND": address}), tmp_path))
    assert line == f"receiver: RECEIVER_BIND: cannot listen on {address}: Address already in use."


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "receiver.db").write_text("Dear diary, " * 100)
    assert "file is not a database" in one_line(serve(Wrong(()), tmp_path))
    assert (tmp_path / "receiver.db").read_text() == "Dear diary, " * 100


@pytest.mark.parametrize("revision", ["base", "0001"])
def test_a_postgresql_database_behind_its_migrations(
    new_postgres_database: NewDatabase, tmp_path: Path, revision: str
) -> None:
    receiver = Receiver(new_postgres_database(), tmp_path)
    assert receiver.command("migrate").returncode == 0
    engine = engines.create(receiver.database_url)
    migrations.downgrade(engine, revision)
    engine.dispose()
    done = receiver.command("serve", "--bind", f"127.0.0.1:{receiver.port}")
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert line.startswith(f"receiver: The database is at migration {'none' if revision == 'base' else revision}, ")
    assert line.endswith("run `receiver migrate`.")


def test_a_database_of_a_newer_release(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url)
    receiver.stop()
    engine = engines.create(sqlite_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    done = receiver.command("serve", "--bind", f"127.0.0.1:{receiver.port}")
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert line.startswith("receiver: The database is of another release: ")
    assert "9999" in line
