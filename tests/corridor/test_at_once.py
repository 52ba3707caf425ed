"""Many clients at once: one effect for each notification, and every delivery on record."""

from __future__ import annotations

import http.client
import random
from concurrent.futures import ThreadPoolExecutor

from tests.conftest import StartReceiver
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.receiver import Receiver

_CLIENTS = 8
_NOTIFICATIONS = 1000


def _send(receiver: Receiver, bodies: list[str]) -> list[int]:
    """One client's deliveries, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=120)
    statuses = []
    for body in bodies:
        connection.request("POST", "/push/drs", body.encode(), {"Content-Type": "text/xml"})
        reply = connection.getresponse()
        reply.read()
        statuses.append(reply.status)
    connection.close()
    return statuses


def _all_at_once(receiver: Receiver, clients: list[list[str]]) -> list[int]:
    with ThreadPoolExecutor(len(clients)) as pool:
        return [status for found in pool.map(lambda bodies: _send(receiver, bodies), clients) for status in found]


def test_eight_clients_with_the_same_thousand_notifications(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, workers=2)
    bodies = [confirmation(bookingId=str(n), primaryOrderNumber=f"L{n}") for n in range(_NOTIFICATIONS)]
    statuses = _all_at_once(receiver, [bodies] * _CLIENTS)
    assert statuses == [200] * _CLIENTS * _NOTIFICATIONS
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == _NOTIFICATIONS
    assert receiver.one("SELECT count(*) AS n FROM v1_bookings")["n"] == _NOTIFICATIONS
    assert receiver.one("SELECT count(*) AS n FROM v1_changes")["n"] == _NOTIFICATIONS
    outcomes = {r["outcome"]: r["n"] for r in receiver.rows("SELECT outcome, count(*) AS n FROM v1_pushes GROUP BY 1")}
    assert outcomes == {"stored": _NOTIFICATIONS, "duplicate": (_CLIENTS - 1) * _NOTIFICATIONS}


def test_batches_that_overlap_in_any_order(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, workers=2)
    chance = random.Random(20210702)
    clients = []
    for _ in range(6):
        batches = []
        for _ in range(15):
            absent = [unavailability(ResourceId=f"W{n}") for n in chance.sample(range(60), 20)]
            batches.append(element("unavailabilities", "".join(absent)))
            booked = [confirmation(bookingId=str(n)) for n in chance.sample(range(60), 20)]
            batches.append(element("bookingConfirmations", "".join(booked)))
        clients.append(batches)
    assert set(_all_at_once(receiver, clients)) == {200}
    assert receiver.one("SELECT count(*) AS n FROM v1_unavailabilities")["n"] == 60
    assert receiver.one("SELECT count(*) AS n FROM v1_bookings")["n"] == 60
    assert receiver.one("SELECT count(*) AS n FROM v1_changes")["n"] == 120
    assert receiver.one("SELECT count(*) AS n FROM v1_pushes")["n"] == 180


def test_events_of_one_booking_at_once_end_as_in_order(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, workers=2)
    moves = [
        confirmation(changedDate=f"2021-05-{day:02d}T10:00:00", planningWindowStart=f"2021-07-{day:02d}T08:00:00")
        for day in range(1, 29)
    ]
    last = cancellation(changedDate="2021-05-30T10:00:00")
    chance = random.Random(7)
    clients = [chance.sample([*moves, last], len(moves) + 1) for _ in range(6)]
    assert set(_all_at_once(receiver, clients)) == {200}
    booking = receiver.booking("731904")
    assert booking["status"] == "cancelled"
    assert booking["planning_window_start"].isoformat() == "2021-07-28T07:00:00+00:00"
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == 29


def test_with_the_fewest_connections_nobody_is_turned_away(database_url: str, start_receiver: StartReceiver) -> None:
    """Those that are stored at once, and those for which what is stored is looked at first, both get their turns."""
    receiver = start_receiver(database_url, env={"RECEIVER_DATABASE_CONNECTIONS": "1"})
    clients = [
        [
            push
            for n in range(40)
            for push in (
                confirmation(bookingId=f"{client}0{n}"),
                cancellation(bookingId=f"{client}0{n}", changedDate="2021-06-01T10:00:00"),
                unavailability(ResourceId=f"W{client}.{n}"),
            )
        ]
        for client in range(1, _CLIENTS + 1)
    ]
    assert _all_at_once(receiver, clients) == [200] * _CLIENTS * 120
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == _CLIENTS * 120
    cancelled = "SELECT count(*) AS n FROM v1_bookings WHERE status = 'cancelled'"
    assert receiver.one(cancelled)["n"] == _CLIENTS * 40
