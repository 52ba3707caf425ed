"""Guessing passwords, and credentials of every shape: turned away, counted, and no burden on those who know theirs."""

from __future__ import annotations

import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from queue import Queue
from threading import Barrier, Event, Thread

import pytest
from werkzeug.datastructures import Authorization
from werkzeug.security import generate_password_hash

from receiver.errors import TooBusy, WrongCredentials
from receiver.web import guard as guards
from receiver.web.guard import Guard
from receiver.web.proxies import Sender
from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver
from tests.support.wire_http import RawConnection, head

from .conftest import StartShared

_ids = count(1)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    config = f'[sources.drs]\nusername = "drs"\npassword_hash = "{generate_password_hash("sesame")}"\n'
    return start_shared(config=config, workers=1)


def push(receiver: Receiver, authorization: str) -> int:
    return receiver.push(confirmation(bookingId=str(next(_ids))), Authorization=authorization).status


def turned_away(receiver: Receiver) -> float:
    name = 'receiver_turned_away_total{reason="credentials",source="drs"} '
    lines = receiver.get("/metrics").body.decode().splitlines()
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


def test_many_guesses_at_once(receiver: Receiver) -> None:
    """Each is turned away, counted and logged; meanwhile whoever has been let in once is let in again."""
    assert push(receiver, basic("drs", "sesame")) == 200
    rows, before, lines = counts(receiver), turned_away(receiver), len(receiver.log_lines())
    with ThreadPoolExecutor(20) as pool:
        guesses = [pool.submit(push, receiver, basic("drs", f"guess {n}")) for n in range(60)]
        assert [push(receiver, basic("drs", "sesame")) for _ in range(10)] == [200] * 10
        statuses = [guess.result() for guess in guesses]
    refused = statuses.count(401)
    assert set(statuses) <= {401, 503}
    assert turned_away(receiver) == before + refused
    assert counts(receiver)["pushes"] == rows["pushes"] + 10
    told = [line for line in receiver.log_lines()[lines:] if line["event"] == "push_turned_away"]
    reasons = Counter((line["source"], line["reason"], line["status"]) for line in told)
    assert reasons == Counter({("drs", "credentials", 401): refused, ("drs", "busy", 503): 60 - refused}) + Counter()
    assert "guess" not in receiver.log.read_text()


STRANGE = {
    "long": basic("drs", "x" * 5000),
    "long name": basic("x" * 5000, "sesame"),
    "NUL": basic("drs", "sesame\0"),
    "NUL first": basic("drs", "\0sesame"),
    "NUL in the name": basic("drs\0", "sesame"),
    "not UTF-8": "Basic " + base64.b64encode(b"drs:\xff\xfe").decode(),
    "a lone surrogate": "Basic " + base64.b64encode(b"drs:\xed\xa0\x80").decode(),
    "no base64": "Basic ====",
    "half of base64": "Basic ZHJzOnNlc2Ft",
    "twice": f"{basic('drs', 'sesame')}, {basic('drs', 'sesame')}",
    "parameters": 'Basic username="drs", password="sesame"',
    "empty": "Basic ",
    "colon only": basic("", ""),
}


@pytest.mark.parametrize("name", STRANGE)
def test_credentials_of_every_shape(receiver: Receiver, name: str) -> None:
    rows = counts(receiver)
    assert push(receiver, STRANGE[name]) == 401
    assert counts(receiver) == rows


def test_credentials_that_are_no_text(receiver: Receiver) -> None:
    rows, body = counts(receiver), confirmation()
    for value, status in ((b"Basic \xff\xe9", 401), (b"Basic " + b"x" * 9000, 431), (b"Basic \0", 400)):
        with RawConnection(receiver) as connection:
            connection.send(head(f"Content-Length: {len(body)}").removesuffix("\r\n"), b"Authorization: ", value)
            connection.send("\r\n\r\n", body)
            assert connection.answer().status == status
    with RawConnection(receiver) as connection:
        lines = [f"Authorization: {basic('drs', word)}" for word in ("sesame", "other")]
        connection.send(head(*lines, f"Content-Length: {len(body)}"), body)
        assert connection.answer().status == 401
    assert counts(receiver) == rows


def given(password: str) -> Authorization:
    return Authorization("basic", {"username": "drs", "password": password})


def test_one_password_is_checked_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check takes a processor and 32 MB: guesses wait for each other, and then hear that they must wait."""
    inside, gate, tried = Barrier(2), Barrier(2), []

    def slow(_hash: str, password: str) -> bool:
        tried.append(password)
        if password == "first":
            inside.wait(30)
            gate.wait(30)
        return password == "sesame"

    monkeypatch.setattr(guards, "check_password_hash", slow)
    monkeypatch.setattr(guards, "_HASHING_SECONDS", 0.05)
    guard, sender = Guard("drs", None, "hash"), Sender(None)
    guard.check(given("sesame"), sender)

    def guess() -> None:
        with pytest.raises(WrongCredentials):
            guard.check(given("first"), sender)

    guessing = Thread(target=guess)
    guessing.start()
    inside.wait(30)
    with pytest.raises(TooBusy):
        guard.check(given("second"), sender)
    guard.check(given("sesame"), sender)
    gate.wait(30)
    guessing.join(30)
    with pytest.raises(WrongCredentials):
        guard.check(given("first"), sender)
    assert tried == ["sesame", "first"]


def test_few_wait_for_their_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that waits holds a thread: the sixth hears at once that it must come again."""
    gate = Event()

    def slow(_hash: str, _password: str) -> bool:
        return not gate.wait(30)

    monkeypatch.setattr(guards, "check_password_hash", slow)
    guard, ends = Guard("drs", None, "hash"), Queue[type[Exception]]()

    def guess(number: int) -> None:
        try:
            guard.check(given(str(number)), Sender(None))
        except (TooBusy, WrongCredentials) as error:
            ends.put(type(error))

    guessing = [Thread(target=guess, args=(number,)) for number in range(12)]
    for thread in guessing:
        thread.start()
    assert [ends.get(timeout=5) for _ in range(7)] == [TooBusy] * 7
    gate.set()
    assert [ends.get(timeout=30) for _ in range(5)] == [WrongCredentials] * 5
    for thread in guessing:
        thread.join(30)


def test_wrong_passwords_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "check_password_hash", lambda _hash, password: password == "sesame")
    guard = Guard("drs", None, "hash")
    for number in range(3000):
        with pytest.raises(WrongCredentials):
            guard.check(given(str(number)), Sender(None))
    assert len(guard._wrong) == 1000
    guard.check(given("sesame"), Sender(None))
