"""A database that cannot store now, and a spool: nothing is lost, and what waited is stored as if nothing had been."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import StartReceiver
from tests.support.inbox import bytes_of, counts, stored
from tests.support.postgres import Cluster
from tests.support.pushes import cancellation, confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.replies import Wrapping, read_reply
from tests.support.waiting import wait_until

SHORT = {"RECEIVER_DATABASE_TIMEOUT": "2"}


def with_spool(folder: Path, **more: str) -> dict[str, str]:
    return {**SHORT, "RECEIVER_SPOOL": str(folder / "spool"), **more}


def waiting(receiver: Receiver) -> int:
    found: int = json.loads(receiver.command("spool", "--json").stdout)["pushes"]
    return found


def figure(receiver: Receiver, name: str) -> float:
    lines = receiver.get("/metrics").body.decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[-1])


def wait_until_drained(receiver: Receiver) -> None:
    wait_until(lambda: figure(receiver, "receiver_spool_pushes") == 0, 30, "the spool is empty")


def is_in_the_inbox(receiver: Receiver, answer: Answer, body: str, status: int, outcome: str) -> None:
    push = stored(receiver, answer)
    assert (push["outcome"], push["reply_status"]) == (outcome, status)
    assert bytes_of(receiver, answer) == body.encode()


def test_what_was_answered_503_is_stored_when_the_database_is_back(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path), workers=2)
    receiver.push(confirmation(bookingId="99"))
    private_cluster.stop("immediate")
    bodies = [w.around(confirmation(bookingId=str(n))) for n, w in enumerate(Wrapping)]
    bodies += ["<bookingConfirmation>", confirmation(bookingId=None)]
    answers = [receiver.push(body) for body in bodies]
    for answer in answers:
        assert answer.status == 503
        assert answer.said("status") != "success"
        assert int(answer.headers["retry-after"]) > 0
    assert waiting(receiver) == figure(receiver, "receiver_spool_pushes") == 5
    assert figure(receiver, "receiver_spool_bytes") > 0
    assert receiver.get("/readyz").status == 503

    private_cluster.start()
    wait_until_drained(receiver)
    for answer, body in zip(answers[:3], bodies, strict=False):
        is_in_the_inbox(receiver, answer, body, 503, "stored")
    for answer, body in zip(answers[3:], bodies[3:], strict=True):
        is_in_the_inbox(receiver, answer, body, 503, "refused")
    assert figure(receiver, "receiver_spool_bytes") == 0
    assert receiver.get("/readyz").status == 200
    again = receiver.push(bodies[0])
    assert (again.status, stored(receiver, again)["outcome"]) == (200, "duplicate")
    assert [row["status"] for row in receiver.rows("SELECT status FROM v1_bookings")] == ["confirmed"] * 4


def test_the_sender_may_hear_success_once_it_is_spooled(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path, RECEIVER_SPOOL_REPLY="success"))
    private_cluster.stop("fast")
    good = {w: w.around(confirmation(bookingId=str(n))) for n, w in enumerate(Wrapping)}
    taken = {w: receiver.push(body) for w, body in good.items()}
    for wrapping, answer in taken.items():
        said = read_reply(answer, wrapping)
        assert (answer.status, said.status, said.error) == (200, "success", None)
    cut, invalid = receiver.push("<bookingConfirmation>"), receiver.push(confirmation(bookingId=None))
    assert (cut.status, invalid.status) == (400, 422)
    ready = receiver.get("/readyz")
    assert (ready.status, json.loads(ready.body)["storing"]) == (200, "spool")

    private_cluster.start()
    wait_until_drained(receiver)
    for wrapping, answer in taken.items():
        is_in_the_inbox(receiver, answer, good[wrapping], 200, "stored")
    is_in_the_inbox(receiver, cut, "<bookingConfirmation>", 400, "refused")
    is_in_the_inbox(receiver, invalid, confirmation(bookingId=None), 422, "refused")


def test_undated_events_keep_their_order(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    """Confirmed, cancelled, confirmed again while the database is down: three events, and the last one counts."""
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path, RECEIVER_SPOOL_REPLY="success"))
    private_cluster.stop("fast")
    for body in (confirmation(changedDate=None), cancellation(changedDate=None)) * 2:
        assert receiver.push(body).status == 200
    assert receiver.push(confirmation(changedDate=None)).status == 200
    private_cluster.start()
    wait_until_drained(receiver)
    assert receiver.booking("731904")["status"] == "confirmed"
    changes = [row["change"] for row in receiver.rows('SELECT change FROM v1_changes ORDER BY "cursor"')]
    assert changes == ["created", "cancelled", "updated", "cancelled", "updated"]


def test_a_full_spool_is_a_503_and_keeps_nothing(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    env = with_spool(tmp_path, RECEIVER_SPOOL_REPLY="success", RECEIVER_SPOOL_MAX_BYTES=str(1024**2))
    receiver = start_receiver(private_cluster.url, env=env)
    private_cluster.stop("fast")
    large = confirmation(comment="x" * 600_000)
    assert receiver.push(large).status == 200
    full = receiver.push(large)
    assert (full.status, full.push_id, full.said("status")) == (503, None, "error")
    private_cluster.start()
    wait_until_drained(receiver)
    assert counts(receiver)["pushes"] == 1
    assert receiver.push(large).status == 200


def test_a_receiver_with_a_spool_starts_without_its_database(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path, RECEIVER_SPOOL_REPLY="success"))
    private_cluster.stop("fast")
    first = receiver.push(confirmation(bookingId="1"))
    receiver.stop(signal.SIGKILL)
    wait_until(lambda: not answers(receiver), 30, "its workers are gone")
    receiver.start()
    second = receiver.push(confirmation(bookingId="2"))
    assert (first.status, second.status) == (200, 200)
    private_cluster.start()
    wait_until_drained(receiver)
    assert [stored(receiver, a)["outcome"] for a in (first, second)] == ["stored", "stored"]


def answers(receiver: Receiver) -> bool:
    try:
        return receiver.get("/healthz").status == 200
    except OSError:
        return False


def test_a_crash_between_the_commit_and_the_removal_has_no_second_effect(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path))
    private_cluster.stop("fast")
    receiver.push(confirmation())
    (kept,) = (tmp_path / "spool").glob("*.push")
    content = kept.read_bytes()
    private_cluster.start()
    wait_until_drained(receiver)
    before = counts(receiver)
    assert before["pushes"] == 1
    kept.write_bytes(content)
    wait_until(lambda: not kept.exists(), 30, "it is removed again")
    assert counts(receiver) == before


def test_damaged_pushes_and_those_of_unknown_sources_are_kept_out_of_the_way(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path))
    private_cluster.stop("fast")
    answers = [receiver.push(confirmation(bookingId=str(n))) for n in range(3)]
    first, second, _ = sorted((tmp_path / "spool").glob("*.push"))
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(second.read_bytes().replace(b'"source": "drs"', b'"source": "gone"'))
    private_cluster.start()
    wait_until(lambda: figure(receiver, "receiver_spool_pushes") == 1, 30, "what can be stored is stored")
    assert figure(receiver, "receiver_spool_damaged") == 1
    assert stored(receiver, answers[2])["outcome"] == "stored"
    said = receiver.command("spool", "--drain").stdout.decode()
    assert "1 left: of unknown sources" in said
    assert "1 damaged pushes are set aside" in said


def test_a_locked_sqlite_file_is_an_outage_too(sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path) -> None:
    receiver = start_receiver(sqlite_url, env=with_spool(tmp_path) | {"RECEIVER_DATABASE_TIMEOUT": "0.2"})
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = receiver.push(confirmation())
        assert (answer.status, waiting(receiver)) == (503, 1)
        other.execute("ROLLBACK")
    other.close()
    wait_until_drained(receiver)
    assert stored(receiver, answer)["outcome"] == "stored"


def test_a_spool_that_cannot_be_used_stops_the_start(
    sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(sqlite_url)
    receiver.stop()
    (tmp_path / "file").write_text("")
    done = Receiver(sqlite_url, tmp_path, env={"RECEIVER_SPOOL": str(tmp_path / "file")}).command("serve")
    assert (done.returncode, done.stderr.decode()) == (2, f"receiver: RECEIVER_SPOOL: {tmp_path}/file: File exists.\n")


@pytest.mark.parametrize("variable", ["RECEIVER_SPOOL_MAX_BYTES", "RECEIVER_SPOOL_REPLY"])
def test_wrong_settings_of_the_spool(sqlite_url: str, tmp_path: Path, variable: str) -> None:
    done = Receiver(sqlite_url, tmp_path, env={variable: "maybe"}).command("serve")
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"receiver: {variable}: ")


@pytest.mark.parametrize("database_is_back", [True, False])
def test_a_resend_of_what_was_answered_503_does_not_undo_a_cancellation(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path, *, database_is_back: bool
) -> None:
    """The sender heard no for the confirmation and sends it again, undated, after the cancellation: the same event."""
    receiver = start_receiver(private_cluster.url, env=with_spool(tmp_path))
    private_cluster.stop("fast")
    assert receiver.push(confirmation(changedDate=None)).status == 503
    if not database_is_back:
        assert receiver.push(cancellation(changedDate=None)).status == 503
    private_cluster.start()
    wait_until_drained(receiver)
    cancelled = receiver.push(cancellation(changedDate=None))
    resent = receiver.push(confirmation(changedDate=None))
    assert (cancelled.status, resent.status) == (200, 200)
    assert stored(receiver, resent)["outcome"] == "duplicate"
    assert receiver.booking("731904")["status"] == "cancelled"
    # It has heard yes now: the same once more is news.
    receiver.push(confirmation(changedDate=None))
    assert receiver.booking("731904")["status"] == "confirmed"
