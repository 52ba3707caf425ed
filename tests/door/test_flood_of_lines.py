"""A flood of requests that are turned away does not fill the log, and is counted whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from receiver.web.metrics import Metrics
from receiver.web.proxies import read_address
from receiver.web.turned_away import TurnedAway

from .conftest import StartShared


class Clock:
    """A clock that is put on by hand, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as found:
        yield found  # type: ignore[misc] # dicts of another name


def test_lines_are_bounded_and_counts_are_not(lines: list[dict[str, object]]) -> None:
    clock, metrics = Clock(), Metrics()
    turned_away = TurnedAway(metrics, clock)
    for number in range(1000):
        turned_away.push("drs", "credentials", 401, read_address("192.0.2.7"))
        turned_away.request("too_slow", 408, None)
        clock.now += 0.001 if number % 10 else 0.0
        turned_away.tell()
    clock.now += 2.0
    turned_away.tell()
    turned_away.tell()
    told = [line for line in lines if line["event"] == "turned_away_left_out"]
    assert len(told) <= 2
    written = len(lines) - len(told)
    assert written <= 120
    assert sum(int(str(line["lines"])) for line in told) == 2000 - written
    for source, reason in (("drs", "credentials"), ("-", "too_slow")):
        sample = {"source": source, "reason": reason}
        assert metrics.registry.get_sample_value("receiver_turned_away_total", sample) == 1000


def test_afterwards_lines_are_written_again(lines: list[dict[str, object]]) -> None:
    clock = Clock()
    turned_away = TurnedAway(Metrics(), clock)
    for _ in range(500):
        turned_away.request("too_slow", 408, None)
    clock.now += 1.0
    before = len(lines)
    turned_away.request("too_slow", 408, read_address("::ffff:192.0.2.7"))
    assert [line["address"] for line in lines[before:]] == ["192.0.2.7"]


def test_the_figures_refused_are_logged_and_counted(start_shared: StartShared) -> None:
    receiver = start_shared(env={"RECEIVER_MONITORS": "192.0.2.0/24", "RECEIVER_TRUSTED_PROXIES": "127.0.0.1"})
    assert receiver.request("GET", "/metrics", headers={"X-Forwarded-For": "198.51.100.9"}).status == 403
    found = [line for line in receiver.log_lines() if line["event"] == "request_turned_away"]
    assert [(line["reason"], line["status"], line["address"]) for line in found] == [("address", 403, "198.51.100.9")]
    figures = receiver.request("GET", "/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).body.decode()
    assert 'receiver_turned_away_total{reason="address",source="-"} 1.0' in figures
