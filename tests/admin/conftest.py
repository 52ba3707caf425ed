"""A receiver with people, and browsers for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support import system
from tests.support.receiver import Receiver

from .seen import wrong_pages
from .visitor import PASSWORD, Tools, Visitor, window

PEOPLE = {"vera": "viewer", "otto": "operator", "anna": "administrator"}


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    try:
        found = Tools(tmp_path_factory.mktemp("page-tools"))
    except system.Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    yield found
    found.close()


@pytest.fixture(scope="module", autouse=True)
def every_page_is_right(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever page the tests of a file fetch has a title, one heading, unique ids, a policy, and valid HTML."""
    if not any(name in ("Surfer", "fetched") for name in vars(request.module)):
        yield
        return
    tools: Tools = request.getfixturevalue("tools")
    yield
    assert wrong_pages(tools.validate) == {}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        program = system.chromium()
    except system.Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


def add_people(receiver: Receiver) -> None:
    """An account for each role."""
    for name, role in PEOPLE.items():
        command = [sys.executable, "-m", "receiver", "user", "add", name, "--role", role, "--password-stdin"]
        display = ["--display-name", name.title()]
        done = subprocess.run(
            [*command, *display],
            input=f"{PASSWORD}\n",
            text=True,
            env=receiver.environment(),
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver on SQLite with an account for each role; the module's own."""
    folder = tmp_path_factory.mktemp("site")
    with Receiver(f"sqlite:///{folder / 'receiver.db'}", folder) as running:
        add_people(running)
        yield running


@pytest.fixture
def visitor(browser: Browser, site: Receiver, tools: Tools) -> Iterator[Visitor]:
    """A stranger's browser window."""
    with window(browser, site, tools) as found:
        yield found


def _signed_in(name: str) -> object:
    @pytest.fixture(scope="module", name=name)
    def signed_in(browser: Browser, site: Receiver, tools: Tools) -> Iterator[Visitor]:
        with window(browser, site, tools) as found:
            found.sign_in(name)
            yield found

    return signed_in


vera, otto, anna = _signed_in("vera"), _signed_in("otto"), _signed_in("anna")
