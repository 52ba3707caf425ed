"""Large pushes: the memory of the corridor stays bounded as a push grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartReceiver
from tests.support.pushes import element, unavailability
from tests.support.receiver import Receiver


def _worker_peaks(receiver: Receiver) -> int:
    """The most memory any worker has held, in bytes."""
    children = Path(f"/proc/{receiver.pid}/task/{receiver.pid}/children").read_text().split()
    status = [line for child in children for line in Path(f"/proc/{child}/status").read_text().splitlines()]
    peaks = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")]
    return max(peaks)


def _absences(count: int) -> bytes:
    comment = "x" * 20
    return element(
        "unavailabilities",
        "".join(unavailability(ResourceId=f"W{n}", Comments=comment, Reason=comment) for n in range(count)),
    ).encode()


@pytest.mark.timeout(600)
def test_a_hundred_thousand_records_in_bounded_memory(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url)
    small = _absences(1_000)
    assert receiver.push(small).status == 200
    idle = _worker_peaks(receiver)
    large = _absences(100_000)
    answer = receiver.push(large)
    assert (answer.status, answer.said("status")) == (200, "success")
    assert receiver.one("SELECT count(*) AS n FROM v1_unavailabilities")["n"] == 100_000
    assert receiver.one("SELECT records FROM v1_pushes WHERE id = :id", id=answer.push_id) == {"records": 100_000}
    grown = _worker_peaks(receiver) - idle
    print(f"{len(large)} bytes, 100,000 records: {grown / 2**20:.0f} MiB above a push of 1,000")
    # A whole tree of this push is about eight times its bytes. SQLite keeps pages here.
    assert grown < (3.3 if database_url.startswith("sqlite") else 2.25) * len(large)
