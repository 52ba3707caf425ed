"""Signing in with a certified OpenID Connect provider, and everything that can be wrong with its answer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from receiver.store.people.roles import Role
from tests.support import system
from tests.support.receiver import Receiver
from tests.support.waiting import free_port

from .surfer import Seen, Surfer, add_account

HERE = Path(__file__).parent / "node"
CLIENT, SECRET = "receiver", "a secret of the client's"
CONFIG = """
[sources.drs]
[sources.other]

[people.oidc]
issuer = "http://127.0.0.1:{port}"
client_id = "receiver"
{more}

[people.roles]
"Receiver.Admin" = "administrator"
"Receiver.Operator" = "operator"
readers = "viewer"
"""
SECRETLY = 'client_secret_env = "OIDC_SECRET"'


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider beside its packages, of exactly the locked versions."""
    folder = tmp_path_factory.mktemp("provider")
    for name in ("package.json", "package-lock.json", ".npmrc", "provider.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        [system.npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"npm ci failed: {done.stderr[-500:]}"
    return folder / "provider.mjs"


class Provider:
    """The provider as a process, for one receiver; a context manager."""

    def __init__(self, script: Path, port: int, receiver_url: str, secret: str | None = SECRET) -> None:
        self.url = f"http://127.0.0.1:{port}"
        given = {"port": port, "client": CLIENT, "secret": secret, "after": f"{receiver_url}/admin/signed-out"}
        given["callback"] = f"{receiver_url}/admin/sign-in/provider/answer"
        self._process = subprocess.Popen(
            [system.node(), script.name],
            cwd=script.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line == "ready\n", line

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(20)

    def say(self, **control: object) -> Any:
        """Who signs in next and how; gives what was asked for last."""
        usual = {"who": "jo", "claims": {"roles": ["readers"]}, "spoil": "", "deny": False, "inIdToken": True}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        connection.request("POST", "/control", json.dumps({**usual, **control}))
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def walk(self, surfer: Surfer, asked: Seen) -> str:
        """The person there: from where they were sent to until they are sent back; gives that path."""
        assert asked.status == 302, asked.text
        browser = Surfer(self.url)
        seen = browser.get(asked.location)
        while urlsplit(seen.headers["location"]).netloc in ("", urlsplit(self.url).netloc):
            seen = browser.get(seen.location)
        assert urlsplit(seen.headers["location"]).netloc == surfer.host
        return seen.location

    def sign_in(self, surfer: Surfer, back: str = "/admin/") -> Seen:
        """All of it; gives the receiver's reply in the end."""
        return surfer.get(self.walk(surfer, surfer.get(f"/admin/sign-in/provider?next={back}")))


class House:
    """A receiver and its provider."""

    def __init__(self, receiver: Receiver, provider: Provider) -> None:
        self.receiver, self.provider = receiver, provider


@pytest.fixture(scope="module")
def house(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder, port = tmp_path_factory.mktemp("house"), free_port()
    config, env = CONFIG.format(port=port, more=SECRETLY), {"OIDC_SECRET": SECRET}
    receiver = Receiver(f"sqlite:///{folder / 'receiver.db'}", folder, config=config, env=env)
    with receiver, Provider(script, port, receiver.url) as provider:
        yield House(receiver, provider)


@pytest.fixture(autouse=True)
def _as_new(request: pytest.FixtureRequest) -> None:
    if "house" in request.fixturenames:
        house: House = request.getfixturevalue("house")
        house.receiver.forget_all()
        house.provider.say()


@pytest.mark.parametrize("in_id_token", [True, False])
def test_a_role_there_is_a_role_here(house: House, in_id_token: bool) -> None:
    surfer = Surfer(house.receiver.url)
    assert "Sign in with your organisation" in surfer.go("/admin/").text
    house.provider.say(claims={"roles": ["else", "readers", "Receiver.Operator"]}, inIdToken=in_id_token)
    reply = house.provider.sign_in(surfer, "/admin/?a=1")
    assert (reply.status, reply.location) == (303, "/admin/?a=1")
    assert "Signed in as Jo Smith, operator" in surfer.go("/admin/").text
    asked = house.provider.say()
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert {"nonce", "state", "code_challenge"} <= asked.keys()
    kept = house.receiver.one("SELECT person, provider, role FROM sessions")
    assert kept == {"person": "oidc:jo@example.org", "provider": "oidc", "role": "operator"}
    entry = house.receiver.one("SELECT person, details FROM trail WHERE action = 'signed_in'")
    assert entry["person"] == "oidc:jo@example.org"
    assert json.loads(entry["details"])["subject"] == "jo"


def test_an_account_here_of_the_same_name_is_somebody_else(house: House) -> None:
    add_account(house.receiver, "jo@example.org", Role.ADMINISTRATOR)
    surfer = Surfer(house.receiver.url)
    assert house.provider.sign_in(surfer).status == 303
    assert "Signed in as Jo Smith, viewer" in surfer.go("/admin/").text
    assert surfer.get("/admin/password").status == 404


def test_signing_out_shows_where_to_sign_out_there_too(house: House) -> None:
    surfer = Surfer(house.receiver.url)
    house.provider.sign_in(surfer)
    surfer.go("/admin/")
    seen = surfer.go(surfer.submit("/admin/sign-out").location)
    assert seen.heading == "You have signed out"
    assert f'href="{house.provider.url}/session/end?client_id=receiver&amp;post_logout_redirect_uri=' in seen.text
    assert house.receiver.rows("SELECT id FROM sessions") == []


# What can be wrong


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("nonce", "not for this sign-in"),
        ("audience", "not for this sign-in"),
        ("issuer", "not for this sign-in"),
        ("expired", "has expired"),
        ("signature", "not signed as it should be"),
        ("missing", "did not say who you are"),
    ],
)
def test_an_answer_that_is_not_right_lets_nobody_in(house: House, spoil: str, said: str) -> None:
    house.provider.say(spoil=spoil)
    surfer = Surfer(house.receiver.url)
    reply = house.provider.sign_in(surfer)
    assert (reply.status, reply.heading) == (403, "You are not signed in")
    assert said in reply.text
    assert house.receiver.rows("SELECT id FROM sessions") == []


def test_an_answer_to_another_browser_or_another_question_lets_nobody_in(house: House) -> None:
    asker, victim = Surfer(house.receiver.url), Surfer(house.receiver.url)
    answer = house.provider.walk(asker, asker.get("/admin/sign-in/provider"))
    victim.get("/admin/sign-in/provider")
    reply = victim.get(answer)
    assert (reply.status, "does not belong to what this browser asked for" in reply.text) == (403, True)
    code = parse_qs(urlsplit(answer).query)["code"][0]
    for state in ("", "x"):
        assert victim.get(f"/admin/sign-in/provider/answer?code={code}&state={state}").status == 403
    # To its own browser it is right, once.
    assert asker.get(answer).status == 303
    assert asker.get(answer).status == 403
    assert [row["person"] for row in house.receiver.rows("SELECT person FROM sessions")] == ["oidc:jo@example.org"]


@pytest.mark.parametrize(
    "claims", [{}, {"roles": []}, {"roles": "nothing"}, {"roles": {"readers": True}}, {"roles": 7}]
)
def test_without_a_role_nobody_is_let_in_and_the_page_says_so(house: House, claims: dict[str, object]) -> None:
    house.provider.say(claims=claims)
    reply = house.provider.sign_in(Surfer(house.receiver.url))
    assert (reply.status, "gives you no role here" in reply.text) == (403, True)
    failed = house.receiver.one("SELECT person, details FROM trail WHERE action = 'sign_in_failed'")
    assert (failed["person"], json.loads(failed["details"])["why"]) == ("unknown", "no_role")


def test_who_is_refused_there_is_told_so_here(house: House) -> None:
    house.provider.say(deny=True)
    reply = house.provider.sign_in(Surfer(house.receiver.url))
    assert (reply.status, "did not sign you in" in reply.text) == (403, True)


def test_a_provider_that_is_down_or_another_is_said_so(script: Path, tmp_path: Path) -> None:
    port = free_port()
    more = 'sources_claim = "places"'  # and a public client, which has no secret
    receiver = Receiver(f"sqlite:///{tmp_path / 'receiver.db'}", tmp_path, config=CONFIG.format(port=port, more=more))
    with receiver:
        surfer = Surfer(receiver.url)
        reply = surfer.get("/admin/sign-in/provider")
        assert (reply.status, "The provider does not answer" in reply.text) == (503, True)
        assert surfer.go("/admin/").status == 200
        with Provider(script, port, receiver.url, secret=None) as provider:
            # It is there now, and nothing has to be started again.
            provider.say(claims={"roles": ["readers"], "places": ["drs"]})
            assert provider.sign_in(surfer).status == 303
            assert json.loads(receiver.one("SELECT sources FROM sessions")["sources"]) == ["drs"]
            provider.say()
            other = Surfer(receiver.url)
            reply = provider.sign_in(other)
            assert (reply.status, "names no source that you may see" in reply.text) == (403, True)
            answer = provider.walk(other, other.get("/admin/sign-in/provider"))
        reply = other.get(answer)
        assert (reply.status, "The provider does not answer" in reply.text) == (503, True)
        # Who is signed in stays so.
        assert "Signed in as Jo Smith" in surfer.go("/admin/").text


OIDC = '[people.oidc]\nissuer = "https://idp.example.org"\nclient_id = "x"\n'


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            '[people.oidc]\nissuer = "http://idp.example.org"\nclient_id = "x"\n[people.roles]\na = "viewer"\n',
            "https://",
        ),
        (OIDC, "roles says which"),
        ('[people.roles]\na = "king"\n', "people.roles.a"),
        (
            (OIDC + 'client_secret_env = "NOT_SET"\n[people.roles]\na = "viewer"\n'),
            "NOT_SET, which is not set",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path, config: str, said: str) -> None:
    receiver = Receiver(f"sqlite:///{tmp_path / 'receiver.db'}", tmp_path, config=config)
    done = receiver.command("serve")
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert done.stderr.decode().count("\n") == 1
