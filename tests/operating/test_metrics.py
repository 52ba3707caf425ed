"""/metrics: right whichever of several worker processes answers."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartReceiver
from tests.support.processes import workers
from tests.support.pushes import cancellation, confirmation, unavailability
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

Labels = frozenset[tuple[str, str]]
KINDS = ["confirmation", "cancellation", "completion", "unavailability"]
CONFIG = '[sources.drs]\n[sources.other]\non_invalid = "hold"\n'


def labels(**values: str) -> Labels:
    return frozenset(values.items())


class Figures:
    """What /metrics says at one moment."""

    def __init__(self, receiver: Receiver) -> None:
        answer = receiver.get("/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        self.text = answer.body.decode()
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def of(self, name: str) -> dict[Labels, float]:
        return {found: value for (sample, found), value in self.samples.items() if sample == name}


def everything(n: int) -> list[tuple[str, str]]:
    """Pushes (source, body) of every kind and ending, different for each number."""
    booking = str(n)
    good = confirmation(bookingId=booking)
    completed = (
        f"<bookingCompletion><bookingId>{booking}</bookingId><primaryOrderNumber>1</primaryOrderNumber>"
        "<taskCompletionStatus>CO</taskCompletionStatus></bookingCompletion>"
    )
    away = unavailability(ResourceId=f"W{n}")
    strange = unavailability(ResourceId=f"W{n}", Action=f"Strange {n}")
    return [
        ("drs", good),
        ("drs", good),
        ("other", good),
        ("drs", cancellation(bookingId=booking)),
        ("drs", completed),
        ("drs", f"<unavailabilities>{away}{strange}</unavailabilities>"),
        ("drs", confirmation(bookingId=f"B{n}")),
        ("other", confirmation(bookingId=f"B{n}")),
        ("drs", f"<unheardOf>{n}</unheardOf>"),
        ("drs", f"<bookingCancellation>{n}"),
    ]


EXPECTED = [
    ("drs", "confirmation", "stored"),
    ("drs", "confirmation", "duplicate"),
    ("other", "confirmation", "stored"),
    ("drs", "cancellation", "stored"),
    ("drs", "completion", "stored"),
    ("drs", "unavailability", "partly_held"),
    ("drs", "confirmation", "refused"),
    ("other", "confirmation", "held"),
    ("drs", "unknown", "refused"),
    ("drs", "unknown", "refused"),
]


@pytest.fixture
def receiver(database_url: str, start_receiver: StartReceiver) -> Receiver:
    return start_receiver(database_url, workers=3, config=CONFIG)


def test_counts_add_up_over_all_workers(receiver: Receiver) -> None:
    rounds = 20
    with ThreadPoolExecutor(max_workers=6) as clients:

        def one(n: int) -> None:
            for source, body in everything(n):  # in their order: the second is a repeat of the first
                receiver.push(body, source=source)

        list(clients.map(one, range(1, rounds + 1)))
    figures = Figures(receiver)
    expected = Counter({labels(source=s, kind=k, outcome=o): 0 for s, k, o in EXPECTED})
    for source, kind, outcome in EXPECTED:
        expected[labels(source=source, kind=kind, outcome=outcome)] += rounds
    assert figures.of("receiver_pushes_total") == expected
    of_drs = rounds * sum(source == "drs" for source, _, _ in EXPECTED)
    seconds = figures.of("receiver_reply_seconds_count")
    assert seconds == {labels(source="drs"): of_drs, labels(source="other"): rounds * len(EXPECTED) - of_drs}
    assert figures.of("receiver_reply_seconds_sum")[labels(source="drs")] > 0
    infinite = figures.of("receiver_reply_seconds_bucket")[labels(source="drs", le="+Inf")]
    assert infinite == of_drs
    outcomes = receiver.rows("SELECT outcome, count(*) AS pushes FROM v1_pushes GROUP BY outcome")
    totals = Counter[str]()
    for found, value in figures.of("receiver_pushes_total").items():
        totals[dict(found)["outcome"]] += int(value)
    assert {row["outcome"]: row["pushes"] for row in outcomes} == totals


def test_every_worker_says_the_same(sqlite_url: str, start_receiver: StartReceiver) -> None:
    """No figure depends on who is asked: all are asked, as often as it takes to have met each."""
    receiver = start_receiver(sqlite_url, workers=3, config=CONFIG)
    wait_until(lambda: len(workers(receiver)) == 3, 30, "all workers are there")
    for source, body in everything(1):
        receiver.push(body, source=source)
    texts = {"\n".join(stable(Figures(receiver).text)) for _ in range(30)}
    assert len(texts) == 1


def stable(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("receiver_seconds_since_last_push{")]


def test_counts_outlive_a_worker(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, workers=3)
    numbers = count(1)
    for _ in range(5):
        receiver.push(confirmation(bookingId=str(next(numbers))))
    stored = labels(source="drs", kind="confirmation", outcome="stored")
    assert Figures(receiver).of("receiver_pushes_total") == {stored: 5}
    wait_until(lambda: len(workers(receiver)) == 3, 30, "all workers are there")
    before = workers(receiver)
    for pid in before:
        os.kill(pid, 15)
    wait_until(lambda: len(now := workers(receiver)) == 3 and not now & before, 30, "new workers are there")
    receiver.push(confirmation(bookingId=str(next(numbers))))
    assert Figures(receiver).of("receiver_pushes_total") == {stored: 6}


def test_held_records(receiver: Receiver) -> None:
    held = "receiver_held_records"
    assert Figures(receiver).of(held) == {labels(source="drs"): 0, labels(source="other"): 0}
    for n in range(3):
        for source, body in everything(n):
            receiver.push(body, source=source)
    assert Figures(receiver).of(held) == {labels(source="drs"): 6, labels(source="other"): 3}
    receiver.push(confirmation(bookingId="B0"))  # a repeat of one that is held
    assert Figures(receiver).of(held)[labels(source="drs")] == 6


def test_seconds_since_the_last_push_of_each_kind(receiver: Receiver) -> None:
    name = "receiver_seconds_since_last_push"
    assert Figures(receiver).of(name) == {}
    receiver.push(confirmation())
    receiver.push(unavailability(), source="other")
    found = Figures(receiver).of(name)
    assert set(found) == {labels(source="drs", kind="confirmation"), labels(source="other", kind="unavailability")}
    assert all(value >= 0 for value in found.values())
    last = Figures(receiver).of(name)
    assert all(last[key] > value for key, value in found.items())  # it grows while nothing comes
    for source, body in everything(7):
        receiver.push(body, source=source)
    kinds = {dict(key)["kind"] for key in Figures(receiver).of(name)}
    assert kinds == set(KINDS)


def test_what_is_turned_away(sqlite_url: str, start_receiver: StartReceiver) -> None:
    env = {"RECEIVER_MAX_PUSH_BYTES": "500", "RECEIVER_PUSH_USERNAME": "a", "RECEIVER_PUSH_PASSWORD": "b"}
    receiver = start_receiver(sqlite_url, env=env, workers=3)
    for _ in range(6):
        receiver.push(confirmation())
        receiver.push(confirmation().ljust(1000), Authorization="Basic YTpi")
        receiver.push("", Authorization="Basic YTpi", Content_Encoding="gzip")
        receiver.push(confirmation(), source="nobody")
    figures = Figures(receiver)
    reasons = ("credentials", "too_large", "content_encoding")
    expected = {labels(source="drs", reason=reason): 6 for reason in reasons}
    assert figures.of("receiver_turned_away_total") == expected | {labels(source="-", reason="unknown_source"): 6}
    assert figures.of("receiver_pushes_total") == {}


def test_a_push_is_answered_even_when_it_cannot_be_counted(
    sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    """Folders for what is temporary are tidied by others."""
    counts = tmp_path / "counts"
    receiver = start_receiver(sqlite_url, env={"PROMETHEUS_MULTIPROC_DIR": str(counts)})
    shutil.rmtree(counts)
    answer = receiver.push(confirmation())
    assert (answer.status, answer.said("status")) == (200, "success")
    assert [line["error"] for line in receiver.log_lines() if line["event"] == "not_counted"] == ["FileNotFoundError"]


def test_a_folder_for_counts_keeps_what_else_is_in_it(
    sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    (tmp_path / "someone's.db").write_text("data")
    receiver = start_receiver(sqlite_url, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})
    receiver.push(confirmation())
    stored = labels(source="drs", kind="confirmation", outcome="stored")
    assert Figures(receiver).of("receiver_pushes_total") == {stored: 1}
    receiver.stop()
    assert (tmp_path / "someone's.db").read_text() == "data"
    assert list(tmp_path.glob("receiver-metrics-*")) == []
