"""The spool's folder: whole or not there, bounded, in order, whoever writes and whatever crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import SettingsError, SpoolDamaged, SpoolFull
from receiver.spool import Spool, SpooledPush

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
ROOM = 1024**2


def push(name: str, body: bytes = b"<a/>") -> SpooledPush:
    return SpooledPush(name, "drs", AT, "text/xml", 503, body)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool", ROOM)
    made.prepare("here", 0.0)
    return made


@given(body=st.binary(max_size=300), kind=st.one_of(st.none(), st.text(max_size=20)))
def test_what_is_added_is_read(body: bytes, kind: str | None, tmp_path_factory: pytest.TempPathFactory) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), ROOM)
    spool.prepare("here", 0.0)
    before = SpooledPush("1", "drs", AT, kind, 200, body)
    spool.add(before)
    assert [spool.read(name) for name in spool.pending()] == [before]


def test_names_come_in_the_order_of_their_ids(spool: Spool) -> None:
    for name in ("3", "1", "2"):
        spool.add(push(name))
    assert [spool.read(name).push_id for name in spool.pending()] == ["1", "2", "3"]


def test_it_is_bounded_and_what_is_removed_makes_room(spool: Spool) -> None:
    large = b"x" * (ROOM // 2 - 8192)
    spool.add(push("1", large))
    spool.add(push("2", large))
    with pytest.raises(SpoolFull):
        spool.add(push("3", large))
    assert len(spool.pending()) == 2
    spool.remove(spool.pending()[0])
    spool.add(push("3", large))
    assert spool.state().size_bytes <= ROOM


def test_many_writers_never_go_over_the_bound(spool: Spool) -> None:
    refused = []

    def write(writer: int) -> None:
        for number in range(40):
            try:
                spool.add(push(f"{writer}-{number}", b"x" * 5000))
            except SpoolFull:
                refused.append(number)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    kept = spool.pending()
    assert len(kept) == ROOM // 8192
    assert len(kept) + len(refused) == 320
    assert spool.state().size_bytes == len(kept) * 8192
    for name in kept:
        assert len(spool.read(name).body) == 5000


@pytest.mark.parametrize("keep", [0, 1, 30, 200])
def test_what_is_not_what_was_written_is_said_so(spool: Spool, tmp_path: Path, keep: int) -> None:
    spool.add(push("1", b"<a>" + b"x" * 100 + b"</a>"))
    (name,) = spool.pending()
    path = tmp_path / "spool" / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SpoolDamaged):
        spool.read(name)
    spool.set_aside(name)
    state = spool.state()
    assert (state.pushes, state.damaged, state.size_bytes) == (0, 1, 0)


def test_the_count_is_right_again_after_a_crash(spool: Spool, tmp_path: Path) -> None:
    spool.add(push("1"))
    (tmp_path / "spool" / "used").write_text("99999999")
    Spool(tmp_path / "spool", ROOM).prepare("here", 0.0)
    assert spool.state().size_bytes == 4096


def test_what_a_crash_left_half_written_is_cleared_away_in_time(spool: Spool, tmp_path: Path) -> None:
    left = tmp_path / "spool" / ".1.push.writing"
    left.write_bytes(b"half")
    now = left.stat().st_mtime
    spool.prepare("here", now + 10)
    assert left.exists()
    spool.prepare("here", now + 4000)
    assert not left.exists()
    assert spool.pending() == []


def test_pushes_for_one_database_are_not_given_to_another(spool: Spool) -> None:
    spool.prepare("there", 0.0)  # nothing waits: the folder may change hands
    spool.add(push("1"))
    with pytest.raises(SettingsError, match="holds pushes for there"):
        spool.prepare("here", 0.0)
    spool.prepare("there", 0.0)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"RECEIVER_SPOOL: .*file/spool: Not a directory"):
        Spool(tmp_path / "file" / "spool", ROOM).prepare("here", 0.0)


def test_no_one_else_may_read_it(spool: Spool, tmp_path: Path) -> None:
    spool.add(push("1"))
    for path in (tmp_path / "spool", *(tmp_path / "spool").glob("*.push")):
        assert path.stat().st_mode & 0o077 == 0


def test_one_drains_at_a_time_and_a_crash_frees_the_place(spool: Spool, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from receiver.spool import Spool\n"
        "with Spool(Path(sys.argv[1]), 1).draining() as mine: print(mine, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "spool")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with spool.draining() as mine:
            assert not mine
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with spool.draining() as mine:
        assert mine
