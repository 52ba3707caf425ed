"""A short form of the campaign of hostile documents, and that it sees what it looks for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Event

import pytest

from receiver.fields import field_table
from receiver.messages import Judge, Notification, Schemas
from receiver.wire import Record
from tests.conftest import NewDatabase
from tests.hostile import working
from tests.hostile.driving import SLOW, Driver, driver, watching
from tests.hostile.expecting import wrong_reply
from tests.hostile.mutators import OF_BYTES, OF_XML, mutated
from tests.hostile.seeds import seeds
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import SOAP11, SOAP12, confirmation, soap
from tests.support.system import strace

DOCUMENTS = 3_000
CASES = sorted((Path(__file__).parent / "cases").iterdir())


@pytest.fixture(scope="module")
def valid() -> list[bytes]:
    return seeds(120, 20)


def _driven(drive: Driver, valid: list[bytes], count: int, seed: int) -> dict[str, bytes]:
    chance = Random(seed)
    for _ in range(count):
        drive.drive(mutated(chance.choice(valid), chance.choice(valid), chance))
    return drive.findings


def test_some_thousands_of_hostile_documents_on_sqlite(sqlite_url: str, valid: list[bytes]) -> None:
    with driver(sqlite_url) as drive:
        assert _driven(drive, valid, DOCUMENTS, 1) == {}
        assert drive.documents >= DOCUMENTS
        assert set(drive.outcomes) >= {"refused", "stored", "duplicate", "partly_held"}


def test_some_hundreds_on_postgresql(new_postgres_database: NewDatabase, valid: list[bytes]) -> None:
    with driver(new_postgres_database()) as drive:
        assert _driven(drive, valid, DOCUMENTS // 10, 2) == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_was_found_once(sqlite_url: str, case: Path) -> None:
    with driver(sqlite_url) as drive:
        assert drive.drive(case.read_bytes()) == []


def test_every_mutator_does_something_and_fails_on_nothing(valid: list[bytes]) -> None:
    chance = Random(3)
    for mutator in (*OF_BYTES, *OF_XML):
        assert any(mutator(body, chance) != body for body in valid)
        for body in (b"", b"<", b"<a/>", b"\xff\xfe<\0"):
            mutator(body, chance)


_PROGRAM = """
import sys
from random import Random
from tests.hostile.driving import driver
from tests.hostile.mutators import mutated
from tests.hostile.seeds import seeds
chance, valid = Random(4), seeds(60, 30)
documents = [mutated(chance.choice(valid), chance.choice(valid), chance) for _ in range(600)]
with driver(sys.argv[1]) as drive:
    try:
        open("/begin-of-hostile-documents")
    except OSError:
        pass
    for body in documents:
        assert drive.drive(body) == []
"""


def test_nothing_outside_is_opened_or_connected_to_beneath_python_either(sqlite_url: str, tmp_path: Path) -> None:
    """libxml2 opens files and sockets by itself: what the kernel is asked for is what counts."""
    trace = tmp_path / "trace"
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    watched = [str(strace()), "-f", "-qq", "-e", "trace=network,open,openat"]
    done = subprocess.run(
        [*watched, "-o", str(trace), sys.executable, str(program), sqlite_url],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if "begin-of-hostile-documents" in line)
    database = sqlite_url.partition("sqlite:///")[2]
    outside = [line for line in lines[begin + 1 :] if not _of_its_own(line, database)]
    assert outside == []


def _of_its_own(line: str, database: str) -> bool:
    """The database's files, and what Python reads of itself; the end of the process."""
    own = (database, sys.prefix, sys.base_prefix, "/usr/share/zoneinfo", str(Path(__file__).parents[2]))
    return "exited with" in line or ("open" in line and any(f'"{path}' in line for path in own))


# That it sees what it looks for


class _Failing(Judge):
    def judge(self, _record: Record) -> Notification:
        raise ZeroDivisionError


class _Opening(Judge):
    def judge(self, record: Record) -> Notification:
        Path("/etc/hostname").read_bytes()
        return super().judge(record)


class _Slow(Judge):
    def judge(self, record: Record) -> Notification:
        Event().wait(SLOW * 1.05)
        return super().judge(record)


@pytest.mark.parametrize(
    ("judge", "wrong"), [(_Failing, "record_not_judged"), (_Opening, "open /etc/hostname"), (_Slow, "took more than")]
)
def test_our_own_faults_files_and_slowness_are_seen(sqlite_url: str, judge: type[Judge], wrong: str) -> None:
    with corridor(sqlite_url) as found:
        table = field_table()
        source = replace(found.source, judge=judge(table, Schemas(table), found.source.rules))
        drive = Driver(Corridor(found.store, source), watching(sqlite_url))
        assert [what for what in drive.drive(confirmation().encode()) if what.startswith(wrong)]


@pytest.mark.parametrize(
    ("status", "reply", "wrong"),
    [
        (200, b"<return><id>0</id><status>success</status>", "not well-formed"),
        (200, b"<return><id>0</id><status>success</status></return>", "answered in no envelope"),
        (503, b"<return/>", "status 503"),
    ],
)
def test_a_wrong_reply_is_seen(status: int, reply: bytes, wrong: str) -> None:
    found = list(wrong_reply(soap(confirmation()).encode(), status, "text/xml; charset=utf-8", reply))
    assert wrong in " ".join(found)


def test_the_version_of_the_envelope_is_looked_at() -> None:
    reply = f'<e:Envelope xmlns:e="{SOAP11}"><e:Body><a><return/></a></e:Body></e:Envelope>'.encode()
    found = list(wrong_reply(soap(confirmation(), SOAP12).encode(), 200, "text/xml; charset=utf-8", reply))
    assert f"answered in {SOAP11}, sent in {SOAP12}" in found


def test_what_is_found_is_made_small() -> None:
    body = b"<a>" + b"x" * 500 + b"needle" + b"y" * 700 + b"</a>"
    assert working.minimised(body, lambda b: b"needle" in b) == b"needle"
