"""Killed between the commit and the reply: the sender knows nothing, sends again, and all is as if sent once."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

from tests.conftest import StartReceiver
from tests.support.processes import workers
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, head

from .auditor import audit, expect_none
from .events import Ending, Push, Story
from .ledger import Delivery, Ledger
from .scale import campaign, report, scale
from .sending import Client
from .sockets import Held, holder
from .tracing import Strace
from .traffic import Traffic

# Whatever the server may use to write to a socket: the first such call on the push's own connection kills it.
_WRITES = "sendto,sendmsg,sendmmsg,write,writev,sendfile"


def _taken(stories: int) -> list[Story]:
    """Stories in which every push is answered yes, one push each."""
    found = (story for story in Traffic(12, undated=False).endless())
    return [story[:1] for story in islice((s for s in found if s[0].ending is Ending.TAKEN), stories)]


def _holder(receiver: Receiver, connection: RawConnection) -> Held:
    found = holder(workers(receiver), local_port=receiver.port, remote_port=connection.port)
    assert found is not None, "no worker holds the connection"
    return found


def _kill_at_reply(receiver: Receiver, push: Push, ledger: Ledger, folder: Path) -> None:
    """Deliver once to a worker that is killed as it begins to write the reply, and show that it was then."""
    body = push.body
    with RawConnection(receiver) as connection:
        connection.send(head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
        connection.await_go_ahead()
        held = _holder(receiver, connection)
        with Strace([held.pid], folder, "-P", held.path, "-e", f"inject={_WRITES}:signal=KILL") as trace:
            ledger.begin(push)
            connection.send(body)
            assert connection.everything() == b"", "a reply came all the same"
            wait_until(lambda: trace.ended, describe="the worker is gone")
    ledger.end(Delivery(push, 1, 0.0, time.monotonic(), failure="killed at the reply"))
    stored = receiver.one("SELECT count(*) AS n FROM pushes WHERE sha256 = :sha256", sha256=push.sha256)
    assert stored["n"] == 1, "killed before the commit"


@campaign
def test_killed_between_the_commit_and_the_reply(
    database_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    size = scale()
    receiver = start_receiver(database_url, workers=2)
    ledger = Ledger()
    again = Client(receiver.port, ledger)
    for story in _taken(size.replies_lost):
        (push,) = story
        ledger.add(story)
        _kill_at_reply(receiver, push, ledger, tmp_path)
        assert again.settle(push)
        assert ledger.deliveries[-1].acknowledged
    found = audit(ledger, receiver.rows)
    outcomes = receiver.rows("SELECT outcome, count(*) AS n FROM v1_pushes GROUP BY outcome ORDER BY outcome")
    report(
        "killed between commit and reply",
        database=database_url.partition(":")[0],
        **ledger.figures(),
        outcomes=" ".join(f"{row['outcome']}:{row['n']}" for row in outcomes),
        findings=len(found),
    )
    expect_none(found)
    duplicates = {row["outcome"]: row["n"] for row in outcomes}["duplicate"]
    assert duplicates >= size.replies_lost * 0.9  # what is held in part is heard again as held
