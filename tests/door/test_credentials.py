"""Who may push: the settings' rules, seen from outside."""

from __future__ import annotations

import base64
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from receiver.errors import AddressNotAllowed
from receiver.web.guard import Guard
from receiver.web.proxies import Sender, read_address
from tests.conftest import StartReceiver
from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.replies import read_return

from .conftest import StartShared

PASSWORD = "pässwörd: with a colon"
_ids = count(1)


def hashed(password: str) -> str:
    """What `receiver hash-password` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "receiver", "hash-password", "--password", password],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


CONFIG = """
[sources.filled_in]

[sources.with_env]
username = "envy"
password_env = "ENVY_PASSWORD"

[sources.with_hash]
username = "hashy"
password_hash = "{hash}"

[sources.with_both]
username = "hashy"
password_hash = "{hash}"
allow_from = ["127.0.0.1"]

[sources.from_elsewhere]
username = "hashy"
password_hash = "{hash}"
allow_from = ["192.0.2.0/24", "2001:db8::/32"]
"""


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    env = {
        "RECEIVER_PUSH_USERNAME": "drs",
        "RECEIVER_PUSH_PASSWORD": PASSWORD,
        "ENVY_PASSWORD": "green",
    }
    return start_shared(config=CONFIG.format(hash=hashed(PASSWORD)), env=env)


@pytest.fixture(scope="module")
def open_receiver(start_shared: StartShared) -> Receiver:
    """No credentials anywhere."""
    config = '[sources.drs]\n[sources.near]\nallow_from = ["127.0.0.0/8"]\n[sources.far]\nallow_from = ["192.0.2.7"]\n'
    return start_shared(config=config)


def push(receiver: Receiver, source: str, authorization: str | None, **headers: str) -> Answer:
    sent = {**headers, **({"Authorization": authorization} if authorization is not None else {})}
    return receiver.push(confirmation(bookingId=str(next(_ids))), source=source, **sent)


def is_turned_away(receiver: Receiver, before: dict[str, int], answer: Answer, status: int) -> None:
    said = read_return(answer)
    assert (answer.status, said.status, answer.push_id) == (status, "error", None)
    assert said.error
    assert answer.headers.get("www-authenticate", "").startswith("Basic ") is (status == 401)
    assert counts(receiver) == before


GOOD = {
    "filled_in": basic("drs", PASSWORD),
    "with_env": basic("envy", "green"),
    "with_hash": basic("hashy", PASSWORD),
    "with_both": basic("hashy", PASSWORD),
}


@pytest.mark.parametrize("source", GOOD)
def test_the_right_credentials(receiver: Receiver, source: str) -> None:
    for _ in range(2):  # a password that was proven once is remembered
        answer = push(receiver, source, GOOD[source])
        assert answer.status == 200, answer.body
        found = receiver.one("SELECT source FROM v1_pushes WHERE id = :id", id=answer.push_id)
        assert found == {"source": source}


@pytest.mark.parametrize("source", GOOD)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"drs").decode(),
        "Basic " + base64.b64encode(b"drs:p\xe4ssw\xf6rd: with a colon").decode(),
        basic("drs", ""),
        basic("", PASSWORD),
        basic("DRS", PASSWORD),
        basic("drs", PASSWORD + " "),
        basic("drs", PASSWORD.upper()),
        basic("envy", PASSWORD),
        basic("hashy", "green"),
        "Bearer " + PASSWORD,
        'Digest username="drs"',
    ],
)
def test_the_wrong_credentials(receiver: Receiver, source: str, authorization: str | None) -> None:
    push(receiver, source, GOOD[source])
    before = counts(receiver)
    is_turned_away(receiver, before, push(receiver, source, authorization), 401)


def test_one_source_is_not_let_in_as_another(receiver: Receiver) -> None:
    before = counts(receiver)
    is_turned_away(receiver, before, push(receiver, "with_env", GOOD["with_hash"]), 401)
    is_turned_away(receiver, before, push(receiver, "with_hash", GOOD["with_env"]), 401)


def test_a_sender_without_credentials_hears_so_however_much_it_sends(receiver: Receiver) -> None:
    """Many send the whole push first, and again with credentials only once they are asked for them."""
    before = counts(receiver)
    answer = receiver.push(confirmation().ljust(8_000_000), source="with_env")
    is_turned_away(receiver, before, answer, 401)


def test_an_address_counts_as_well_as_credentials(receiver: Receiver) -> None:
    before = counts(receiver)
    is_turned_away(receiver, before, push(receiver, "with_both", None), 401)
    is_turned_away(receiver, before, push(receiver, "from_elsewhere", GOOD["with_hash"]), 403)


@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Real_Ip", "Forwarded"])
def test_what_a_request_says_of_its_address_is_not_believed(
    receiver: Receiver, open_receiver: Receiver, header: str
) -> None:
    """Neither to let in an address that may, nor, where the address is all there is, one that came through a proxy."""
    value = "for=192.0.2.7" if header == "Forwarded" else "192.0.2.7"
    before = counts(receiver)
    elsewhere = push(receiver, "from_elsewhere", GOOD["with_hash"], **{header: value})
    is_turned_away(receiver, before, elsewhere, 403)
    before = counts(open_receiver)
    for source in ("drs", "near", "far"):
        is_turned_away(open_receiver, before, push(open_receiver, source, None, **{header: value}), 403)
        loopback = value.replace("192.0.2.7", "127.0.0.1")
        is_turned_away(open_receiver, before, push(open_receiver, source, None, **{header: loopback}), 403)


@pytest.mark.parametrize("source", GOOD)
def test_credentials_come_through_a_proxy(receiver: Receiver, source: str) -> None:
    assert push(receiver, source, GOOD[source], X_Forwarded_For="192.0.2.7").status == 200


def test_without_credentials_the_address_decides(open_receiver: Receiver) -> None:
    assert push(open_receiver, "drs", None).status == 200
    assert push(open_receiver, "near", None).status == 200
    before = counts(open_receiver)
    is_turned_away(open_receiver, before, push(open_receiver, "far", None), 403)


def test_with_no_settings_there_is_one_source_for_loopback(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url)
    assert push(receiver, "drs", None).status == 200
    assert push(receiver, "drs", basic("any", "thing")).status == 200
    assert push(receiver, "filled_in", None).status == 404


def test_two_settings_are_enough_for_credentials(sqlite_url: str, start_receiver: StartReceiver) -> None:
    env = {"RECEIVER_PUSH_USERNAME": "drs", "RECEIVER_PUSH_PASSWORD": PASSWORD}
    receiver = start_receiver(sqlite_url, env=env)
    before = counts(receiver)
    is_turned_away(receiver, before, push(receiver, "drs", None), 401)
    assert push(receiver, "drs", basic("drs", PASSWORD)).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_loopback_addresses(address: str) -> None:
    Guard().check(None, Sender(read_address(address)))


@pytest.mark.parametrize("address", ["10.0.0.1", "::2", "::ffff:10.0.0.1", "0.0.0.0", "", None, "localhost", "1.2.3"])
def test_addresses_that_are_not_loopback(address: str | None) -> None:
    with pytest.raises(AddressNotAllowed):
        Guard().check(None, Sender(read_address(address)))


def test_a_hash_is_not_the_password(receiver: Receiver) -> None:
    config = Path(receiver.environment()["RECEIVER_CONFIG"]).read_text(encoding="utf-8")
    (hash_of_it,) = {line.split('"')[1] for line in config.splitlines() if line.startswith("password_hash")}
    assert PASSWORD not in hash_of_it
    before = counts(receiver)
    is_turned_away(receiver, before, push(receiver, "with_hash", basic("hashy", hash_of_it)), 401)
