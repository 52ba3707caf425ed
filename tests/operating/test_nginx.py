"""The configuration of nginx that is shipped, in the real nginx, before a real receiver."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from receiver.settings import Environment
from tests.support.inbox import bytes_of, counts
from tests.support.nginx import CONFIGURATION, NAME, Nginx
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.waiting import wait_until
from tests.support.wire_http import head

CONFIG = """
[sources.drs]
username = "drs"
password_env = "PASSWORD"
[sources.near]
allow_from = ["127.0.0.7"]
[sources.loopback]
"""
MOST = 300_000
GOOD = {"Authorization": "Basic " + base64.b64encode(b"drs:sesame").decode(), "Content-Type": "text/xml"}
_ids = count(1)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Receiver]]:
    folder = tmp_path_factory.mktemp("nginx")
    env = {
        "PASSWORD": "sesame",
        "RECEIVER_TRUSTED_PROXIES": "127.0.0.1",
        "RECEIVER_MAX_PUSH_BYTES": str(MOST * 2),
    }
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(f"sqlite:///{folder / 'receiver.db'}", folder, config=CONFIG, env=env))
        changes = {"client_max_body_size    32m": f"client_max_body_size {MOST}"}
        yield stack.enter_context(Nginx(receiver, folder, changes)), receiver


@pytest.fixture
def nginx(both: tuple[Nginx, Receiver]) -> Nginx:
    return both[0]


@pytest.fixture
def receiver(both: tuple[Nginx, Receiver]) -> Receiver:
    return both[1]


def body() -> bytes:
    return confirmation(bookingId=str(next(_ids))).encode()


def push(nginx: Nginx, source: str = "drs", *, address: str = "127.0.0.1", **headers: str) -> Answer:
    sent = {**(GOOD if source == "drs" else {}), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return nginx.request("POST", f"/push/{source}", body(), sent, source=address)


def test_it_is_sound(nginx: Nginx) -> None:
    said = nginx.check()
    assert said.startswith("0: "), said
    assert "warn" not in said


def test_its_limit_is_the_receivers() -> None:
    megabytes = Environment.model_fields["max_push_bytes"].default // 1024**2
    assert f"client_max_body_size    {megabytes}m;" in CONFIGURATION.read_text(encoding="utf-8")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_push_is_stored(nginx: Nginx, receiver: Receiver, chunked: bool) -> None:
    sent = body()
    answer = nginx.request("POST", "/push/drs", sent, GOOD, chunked=chunked)
    assert answer.status == 200
    assert bytes_of(receiver, answer) == sent
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert answer.headers["server"] == "nginx"
    assert answer.headers["content-security-policy"]
    # It is written once the reply has gone out.
    line = wait_until(lambda: next((line for line in nginx.log().splitlines() if str(answer.push_id) in line), None))
    assert "sesame" not in str(line)


def test_a_large_push_goes_through_a_file(nginx: Nginx, receiver: Receiver) -> None:
    sent = body().ljust(MOST)
    answer = nginx.request("POST", "/push/drs", sent, GOOD)
    assert (answer.status, bytes_of(receiver, answer)) == (200, sent)


def test_what_the_receiver_says_comes_through(nginx: Nginx) -> None:
    assert nginx.request("POST", "/push/drs", body()).status == 401
    answer = nginx.request("POST", "/push/drs", b"<broken", GOOD)
    assert answer.status == 400
    assert answer.said("status") == "error"
    assert nginx.request("POST", "/push/nobody", body(), GOOD).status == 404


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large(nginx: Nginx, receiver: Receiver, chunked: bool) -> None:
    rows = counts(receiver)
    try:
        answer = nginx.request("POST", "/push/drs", b" " * (MOST + 1), GOOD, chunked=chunked)
    except (BrokenPipeError, ConnectionResetError):
        pass  # nginx closes while the sender is sending
    else:
        assert answer.status == 413
    assert counts(receiver) == rows


FORGED = ["127.0.0.7", "127.0.0.1", "127.0.0.7, 127.0.0.1", "127.0.0.7:80"]


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Real_IP", "Forwarded"])
def test_a_forged_address_does_not_pass(nginx: Nginx, receiver: Receiver, header: str, forged: str) -> None:
    rows = counts(receiver)
    value = f"for={forged}" if header == "Forwarded" else forged
    for source in ("near", "loopback"):
        # 192.0.2.x cannot be had on this machine: another loopback address is the stranger.
        expected = 200 if source == "loopback" else 403
        assert push(nginx, source, address="127.0.0.8", **{header: value}).status == expected
    assert counts(receiver)["pushes"] == rows["pushes"] + 1


def test_the_true_address_passes(nginx: Nginx) -> None:
    assert push(nginx, "near", address="127.0.0.7").status == 200
    assert push(nginx, "near", address="127.0.0.8").status == 403


def test_the_description_names_what_was_called(nginx: Nginx) -> None:
    answer = nginx.request("GET", "/push/drs?wsdl", headers={"Host": NAME, "X-Forwarded-Host": "evil.example"})
    assert f'location="https://{NAME}/push/drs"' in answer.body.decode()


INSIDE_ONLY = ["/metrics", "/readyz", "/", "/admin/", "/api/v1/openapi.json", "//metrics", "/push/../metrics"]
INSIDE_ONLY += ["/push/%2e%2e/metrics", "/push/..%2fmetrics", "/push", "/healthz/../metrics", "/./readyz"]


@pytest.mark.parametrize("path", INSIDE_ONLY)
def test_only_the_door_is_open_to_the_outside(nginx: Nginx, path: str) -> None:
    answer = nginx.request("GET", path, source="127.0.0.9")
    assert answer.status in (400, 403, 404)
    assert b"receiver_" not in answer.body


def test_inside_there_is_everything(nginx: Nginx) -> None:
    assert nginx.request("GET", "/metrics").status == 200
    assert nginx.request("GET", "/readyz").status == 200
    assert nginx.request("GET", "/healthz", source="127.0.0.9").status == 200


def test_a_slow_body_waits_at_nginx(nginx: Nginx, receiver: Receiver) -> None:
    """The receiver hears nothing of it until it is whole."""
    sent = body()
    with nginx.tls.wrap_socket(
        socket.create_connection(("127.0.0.1", nginx.port), timeout=30), server_hostname=NAME
    ) as slow:
        credentials = f"Authorization: {GOOD['Authorization']}"
        slow.sendall(head(credentials, f"Content-Length: {len(sent)}", "Connection: close").encode() + sent[:-1])
        for _ in range(5):
            assert push(nginx).status == 200
        wait_until(lambda: _connections(receiver.port) == 0, describe="nothing of it is on its way to the receiver")
        slow.sendall(sent[-1:])
        reply = b"".join(iter(lambda: slow.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200 ")


def _connections(port: int) -> int:
    """Connections to the port at this moment, as the kernel lists them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(fields[2].endswith(f":{port:04X}") and fields[3] == "01" for fields in lines)


def test_a_receiver_that_is_not_there(nginx: Nginx, receiver: Receiver) -> None:
    """A push is never answered as if it were taken, nor sent on a second time."""
    receiver.stop()
    try:
        answer = push(nginx)
    finally:
        receiver.start()
    assert answer.status == 502
    assert push(nginx).status == 200


@pytest.mark.parametrize("wrong", ["Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: xchunked"])
def test_a_body_whose_end_can_be_read_two_ways(nginx: Nginx, receiver: Receiver, wrong: str) -> None:
    rows = counts(receiver)
    with nginx.tls.wrap_socket(
        socket.create_connection(("127.0.0.1", nginx.port), timeout=30), server_hostname=NAME
    ) as connection:
        hidden = head("Content-Length: 0", f"Authorization: {GOOD['Authorization']}")
        connection.sendall(
            head(wrong, f"Authorization: {GOOD['Authorization']}").encode() + f"0\r\n\r\n{hidden}".encode()
        )
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply[9:12] in (b"400", b"501")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert counts(receiver) == rows
