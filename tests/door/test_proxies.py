"""Whose request it is, behind proxies that are named and proxies that are not."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import count

import pytest
from lxml import etree
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from receiver.web.proxies import Network, Proxies, read_address
from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver
from tests.support.wire_http import RawConnection, head

from .conftest import StartShared

CONFIG = '[sources.drs]\n[sources.far]\nallow_from = ["192.0.2.0/24", "2001:db8::/32"]\n'
_ids = count(1)


@pytest.fixture(scope="module")
def behind(start_shared: StartShared) -> Receiver:
    """A receiver that takes 127.0.0.1 and 10.0.0.0/8 for its proxies."""
    return start_shared(config=CONFIG, env={"RECEIVER_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8:1::/64"})


@pytest.fixture(scope="module")
def alone(start_shared: StartShared) -> Receiver:
    """A receiver that names no proxy that is one."""
    return start_shared(config=CONFIG, env={"RECEIVER_TRUSTED_PROXIES": "10.0.0.0/8"})


def push(receiver: Receiver, source: str, *hops: str) -> int:
    """The status of a push with those headers of X-Forwarded-For."""
    body = confirmation(bookingId=str(next(_ids)))
    with RawConnection(receiver) as connection:
        lines = [f"X-Forwarded-For: {hop}" for hop in hops]
        connection.send(head(*lines, f"Content-Length: {len(body)}", path=f"/push/{source}"), body)
        return connection.answer().status


# What the proxy at 127.0.0.1 says -> the status for the source that takes loopback, and for the one of 192.0.2.0/24.
SAID: dict[tuple[str, ...], tuple[int, int]] = {
    (): (403, 403),
    ("",): (403, 403),
    (" , ",): (403, 403),
    ("127.0.0.1",): (200, 403),
    ("192.0.2.7",): (403, 200),
    ("192.0.2.7:4711",): (403, 200),
    ("192.0.2.7, ",): (403, 200),
    ("::ffff:192.0.2.7",): (403, 200),
    ("[::ffff:192.0.2.7]:80",): (403, 200),
    ("2001:db8::7",): (403, 200),
    ("[2001:db8::7]",): (403, 200),
    ("[2001:db8::7]:4711",): (403, 200),
    ("2001:DB8::7, 2001:db8:1::5",): (403, 200),
    ("192.0.2.7, 10.1.1.1",): (403, 200),
    ("192.0.2.7, 10.1.1.1, 10.2.2.2:80",): (403, 200),
    ("192.0.2.7", "10.1.1.1"): (403, 200),
    # forged: what stands before the address that the proxy saw
    ("127.0.0.1, 198.51.100.9",): (403, 403),
    ("127.0.0.1", "198.51.100.9"): (403, 403),
    ("192.0.2.7, 198.51.100.9",): (403, 403),
    ("192.0.2.7, 198.51.100.9, 10.1.1.1",): (403, 403),
    ("192.0.2.7, 10.1.1.1, 198.51.100.9",): (403, 403),
    ("127.0.0.1, 10.1.1.1",): (200, 403),
    # junk
    ("localhost",): (403, 403),
    ("unknown",): (403, 403),
    ("192.0.2.7, unknown",): (403, 403),
    ("192.0.2.7, junk, 10.1.1.1",): (403, 403),
    ("192.0.2",): (403, 403),
    ("192.0.2.7.1",): (403, 403),
    ("192.0.2.007",): (403, 403),
    ("192.0.2.0/24",): (403, 403),
    ("192.0.2.7:port",): (403, 403),
    ("192.0.2.7 192.0.2.7",): (403, 403),
    ("for=192.0.2.7",): (403, 403),
    ('"192.0.2.7"',): (403, 403),
    ("[192.0.2.7",): (403, 403),
    ("::1%25lo",): (403, 403),
    ("0x7f.1",): (403, 403),
    ("2130706433",): (403, 403),
    ("١٢٧.0.0.1",): (403, 403),
    (",".join(["127.0.0.1"] * 800),): (200, 403),
}


@pytest.mark.parametrize("said", SAID, ids=lambda said: "|".join(said)[:40])
def test_a_named_proxy_is_believed(behind: Receiver, said: tuple[str, ...]) -> None:
    assert (push(behind, "drs", *said), push(behind, "far", *said)) == SAID[said]


@pytest.mark.parametrize("said", [said for said in SAID if said], ids=lambda said: "|".join(said)[:40])
def test_a_proxy_that_is_not_named_is_not(alone: Receiver, said: tuple[str, ...]) -> None:
    rows = counts(alone)
    assert (push(alone, "drs", *said), push(alone, "far", *said)) == (403, 403)
    assert counts(alone) == rows


def test_only_one_header_is_read(behind: Receiver) -> None:
    """A proxy sets X-Forwarded-For; what else there is may be the sender's own."""
    for name in ("Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "X_Forwarded_For"):
        value = "for=127.0.0.1" if name == "Forwarded" else "127.0.0.1"
        with RawConnection(behind) as connection:
            connection.send(head(f"{name}: {value}", "Content-Length: 0"))
            assert connection.answer().status == 403


def test_the_figures_are_for_those_inside(behind: Receiver, alone: Receiver) -> None:
    inside, outside = {"X-Forwarded-For": "192.168.1.9"}, {"X-Forwarded-For": "198.51.100.9"}
    assert behind.request("GET", "/metrics", headers=inside).status == 200
    for headers in (outside, {}, {"X-Forwarded-For": "192.168.1.9, 198.51.100.9"}):
        assert behind.request("GET", "/metrics", headers=headers).status == 403
    assert alone.request("GET", "/metrics", headers=inside).status == 403
    assert alone.get("/metrics").status == 200


def address(receiver: Receiver, **headers: str) -> str:
    """The address that the service description names."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = receiver.request("GET", "/push/drs?wsdl", headers=named)
    found = etree.fromstring(answer.body).xpath("//*[local-name() = 'address']/@location")
    assert isinstance(found, list)
    return str(found[0])


def test_the_address_that_was_called(behind: Receiver, alone: Receiver) -> None:
    told = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "push.example.org"}
    assert address(behind, **told) == "https://push.example.org/push/drs"
    assert address(behind, X_Forwarded_Proto="https", Host="a.example:8443") == "https://a.example:8443/push/drs"
    assert address(alone, **told) == f"{alone.url}/push/drs"
    for host in ("a b", 'a"b', "a/b", "a, b", "<x>", ""):
        assert address(behind, X_Forwarded_Host=host, X_Forwarded_Proto="gopher") == f"{behind.url}/push/drs"


def test_what_is_set_wins(start_shared: StartShared) -> None:
    env = {"RECEIVER_TRUSTED_PROXIES": "127.0.0.1", "RECEIVER_PUBLIC_URL": "https://set.example"}
    receiver = start_shared(env=env)
    assert address(receiver, X_Forwarded_Host="told.example") == "https://set.example/push/drs"


@pytest.mark.parametrize(
    ("peer", "hops", "expected"),
    [
        ("::1", "192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "192.0.2.7", "192.0.2.7"),
        ("198.51.100.1", "192.0.2.7", "198.51.100.1"),
        ("::2", "192.0.2.7", "::2"),
        ("", "127.0.0.1", None),
    ],
)
def test_the_peer(peer: str, hops: str, expected: str | None) -> None:
    named: list[Network] = [ip_network(text) for text in ("127.0.0.1/32", "::1/128", "fe80::/10")]
    request = Request(create_environ(headers={"X-Forwarded-For": hops}, environ_base={"REMOTE_ADDR": peer}))
    assert Proxies(named).sender(request).address == (read_address(expected) if expected else None)
