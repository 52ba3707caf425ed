"""Every address of the pages: who may ask, that forms are theirs, and that what changes something leaves an entry."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import requests
from werkzeug.routing import Rule

from receiver.admin.access import Role, is_open, needed
from receiver.app import build_parts, build_site
from receiver.settings import load_settings
from receiver.web.proxies import Proxies
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver

from .conftest import PEOPLE
from .seen import fetched
from .visitor import PASSWORD

_TOKEN = re.compile(r'name="csrf_token" [^>]*value="([^"]+)"')
# What is posted and changes nothing that is kept: a text is checked while it is typed.
CHANGES_NOTHING = {"correct.check"}
# What strangers may ask for.
OPEN = {
    "static",
    "signin.show",
    "signin.by_password",
    "signin.show_link",
    "signin.by_link",
    "signin.ask_provider",
    "signin.by_provider",
    "signin.sign_out",
    "signin.signed_out",
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Rule, Callable[..., object]]]:
    """Every rule of the site by its endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECEIVER_DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('map') / 'x.db'}")
        app = build_site(build_parts(load_settings()), Proxies(()))
    return {rule.endpoint: (rule, app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()}


def _seen(page: requests.Response) -> requests.Response:
    fetched(page.url, page.status_code, page.headers, page.text)
    return page


@dataclass
class Client:
    """Somebody's browser, without the browser."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        return _seen(self.session.get(f"{self.url}{path}", allow_redirects=False, timeout=30))

    def post(self, path: str, token: str | None = None, **form: str) -> requests.Response:
        sent = {**form, **({"csrf_token": token} if token else {})}
        return _seen(self.session.post(f"{self.url}{path}", sent, allow_redirects=False, timeout=30))

    def token(self, path: str = "/find") -> str:
        page = self.get(path)
        found = _TOKEN.search(page.text)
        assert found is not None, (path, page.status_code, page.text[-1500:])
        return found.group(1)

    def sign_in(self, name: str) -> None:
        done = self.post("/sign-in", self.token("/sign-in"), name=name, password=PASSWORD)
        assert done.status_code == 303, done.text


@pytest.fixture(scope="module")
def clients(site: Receiver) -> dict[Role | None, Client]:
    found: dict[Role | None, Client] = {None: Client(f"{site.url}/admin")}
    for name, role in PEOPLE.items():
        found[Role(role)] = Client(f"{site.url}/admin")
        found[Role(role)].sign_in(name)
    return found


def _path(rule: Rule) -> str:
    known = {"position": 1, "wish": "pause", "source": "drs", "filename": "admin.css"}
    built = rule.build({name: known.get(name, "nothing") for name in rule.arguments})
    assert built is not None
    return built[1]


def test_every_view_says_who_may_see_it(rules: dict[str, tuple[Rule, Callable[..., object]]]) -> None:
    open_ = {name for name, (_, view) in rules.items() if is_open(view)} | {"static"}
    assert open_ == OPEN
    assert {name for name, (_, view) in rules.items() if needed(view) is None} == OPEN


def test_nobody_sees_what_is_not_for_them(
    rules: dict[str, tuple[Rule, Callable[..., object]]], clients: dict[Role | None, Client]
) -> None:
    for endpoint, (rule, view) in rules.items():
        role = needed(view)
        if role is None:
            continue
        path, method = _path(rule), "GET" if "GET" in (rule.methods or ()) else "POST"
        for has, client in clients.items():
            found = client.get(path) if method == "GET" else client.post(path, client.token() if has else None)
            if has is None:
                refused = {"GET": (303,), "POST": (303, 400)}[method]
                assert found.status_code in refused, endpoint
                assert "sign-in" in found.headers.get("Location", "sign-in"), endpoint
            elif has < role:
                assert found.status_code == 403, (endpoint, has)
            else:
                assert found.status_code not in (303 if method == "GET" else 0, 401, 403), (endpoint, has)


def test_no_form_is_taken_without_its_token_or_from_another_page(
    rules: dict[str, tuple[Rule, Callable[..., object]]], clients: dict[Role | None, Client]
) -> None:
    admin = clients[Role.ADMINISTRATOR]
    token = admin.token()
    for endpoint, (rule, _) in rules.items():
        if "POST" not in (rule.methods or ()):
            continue
        assert admin.post(_path(rule)).status_code == 400, endpoint
        assert admin.post(_path(rule), "forged").status_code == 400, endpoint
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        found = admin.session.post(f"{admin.url}{_path(rule)}", {"csrf_token": token}, headers=elsewhere, timeout=30)
        assert found.status_code == 403, endpoint


def _held(site: Receiver) -> str:
    held = site.push(confirmation(bookingId="not a number")).push_id
    assert held is not None
    return held


def test_everything_that_changes_something_leaves_an_entry(
    site: Receiver, rules: dict[str, tuple[Rule, Callable[..., object]]], clients: dict[Role | None, Client]
) -> None:
    admin, operator = clients[Role.ADMINISTRATOR], clients[Role.OPERATOR]
    newcomer = Client(admin.url)
    link = "/sign-in/link/" + _link(site)
    held = _held(site)
    operator.get("/held")
    cause = re.search(r"/admin/held/([^\"?]+)\"", operator.get("/held").text)
    assert cause is not None
    whole = site.push("<nothing/>").push_id
    good = confirmation(bookingId="900001")
    # Endpoint -> what is posted, by whom, in an order in which each finds what it needs.
    calls: list[tuple[str, Client, str, dict[str, str]]] = [
        ("signin.by_link", newcomer, link, {}),
        ("signin.by_password", newcomer, "/sign-in", {"name": "vera", "password": PASSWORD}),
        ("held.set_state", operator, f"/held/{cause[1]}/state", {"state": "acknowledged"}),
        ("correct.retry", operator, f"/pushes/{held}/retry", {}),
        ("held.chosen", operator, f"/held/{cause[1]}/chosen", {"record": f"{held}/1", "action": "retry"}),
        ("correct.correct", operator, f"/pushes/{held}/correct/1", {"text": good, "reason": "why"}),
        ("correct.discard", operator, f"/pushes/{whole}/discard/0", {"reason": "why"}),
        ("replays.start", operator, "/replays", {"plan": "tell", "order": "none of these", "reason": "why"}),
        ("replays.ask", operator, "", {}),
        ("replays.resume", operator, "", {}),
        ("people.sign_out", admin, "/people/sign-out", {"person": "vera"}),
        ("signin.set_password", operator, "/password", _passwords()),
        ("signin.sign_out", newcomer, "/sign-out", {}),
    ]
    posted = {name for name, (rule, _) in rules.items() if "POST" in (rule.methods or ())}
    assert {name for name, *_ in calls} | CHANGES_NOTHING == posted
    for endpoint, client, posted_to, form in calls:
        path = posted_to or f"{_started(operator)}/{endpoint.rpartition('.')[2].replace('ask', 'pause')}"
        before = _entries(site)
        page = path if endpoint == "signin.by_link" else "/find"
        done = client.post(path, client.token(page), **form)
        # A replay may have ended by itself before it could be stopped.
        late = endpoint.startswith("replays.") and done.status_code == 409
        assert done.status_code in (200, 303) or late, (endpoint, done.status_code, done.text)
        assert late or _entries(site) > before, endpoint
        if endpoint == "people.sign_out":
            newcomer.sign_in("vera")


def _passwords() -> dict[str, str]:
    return {"old": PASSWORD, "new": f"{PASSWORD}!"}


def _started(client: Client) -> str:
    form = {"plan": "tell", "order": "none of these", "reason": "why"}
    return client.post("/replays", client.token(), **form).headers["Location"].removeprefix("/admin")


def _entries(site: Receiver) -> int:
    found: int = site.one("SELECT count(*) AS n FROM trail")["n"]
    return found


def _link(site: Receiver) -> str:
    command = [sys.executable, "-m", "receiver", "user", "add", "newcomer", "--role", "viewer", "--link"]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=True)
    return done.stdout.strip().rpartition("/")[2]
