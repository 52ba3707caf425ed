"""A person with a browser: signs in, goes from page to page, and every page that is seen is checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Response

from tests.support import system
from tests.support.receiver import Receiver

from .seen import check_html

HERE = Path(__file__).parent / "browser"
PASSWORD = "four words and a number 7"


class Tools:
    """axe-core's script, and html-validate as a process that pages are handed to; a context manager."""

    def __init__(self, folder: Path) -> None:
        for file in HERE.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        done = subprocess.run(
            [system.npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"npm ci failed: {done.stderr[-500:]}"
        self.axe = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        self._validator = subprocess.Popen(
            [system.node(), "validate.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def validate(self, html: str) -> list[str]:
        """What is wrong with a page's HTML."""
        assert self._validator.stdin is not None
        assert self._validator.stdout is not None
        self._validator.stdin.write(json.dumps(html) + "\n")
        self._validator.stdin.flush()
        found: list[str] = json.loads(self._validator.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        self._validator.communicate(timeout=10)


class Visitor:
    """One person's browser window on one receiver. Each page that comes is checked before anything is done with it."""

    def __init__(self, page: Page, receiver: Receiver, tools: Tools, *, scripts: bool = True) -> None:
        self.page, self.receiver, self._tools, self._scripts = page, receiver, tools, scripts
        self.wrong: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))

    def _heard(self, message: object) -> None:
        kind, text = getattr(message, "type"), getattr(message, "text")  # noqa: B009
        if kind == "error" and "Failed to load resource" not in text:
            self.wrong.append(f"{self.page.url}: {text}")

    def go(self, path: str, status: int = 200) -> Page:
        """Open ``/admin`` and ``path``; it must answer ``status``."""
        found = self.page.goto(f"{self.receiver.url}/admin{path}")
        assert found is not None
        assert found.status == status, f"{path}: {found.status}"
        self.check(found)
        return self.page

    def sign_in(self, name: str) -> None:
        """Come in by the first page, as anyone does."""
        self.go("/")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.click("Sign in")

    @property
    def heading(self) -> str:
        """The page's first heading."""
        return self.page.locator("h1").inner_text()

    @property
    def text(self) -> str:
        """What the page says."""
        return self.page.locator("main").inner_text()

    @contextmanager
    def leading(self) -> Iterator[None]:
        """What is done in the block leads to another page, which is checked."""
        with self.page.expect_navigation() as navigation:
            yield
        found = navigation.value
        assert found is not None
        self.check(found)

    def click(self, name: str, role: str = "button") -> Page:
        """Press the button (or link) of that name, and come to the next page."""
        with self.leading():
            self.page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]
        return self.page

    def check(self, response: Response) -> None:
        """The page has a title, one heading, unique ids, valid HTML, a policy, and nothing that axe-core finds."""
        html, where = response.text(), f"{response.request.method} {response.url}"
        problems = check_html(html, response.headers)
        problems += self._tools.validate(html)
        if self._scripts:
            problems += self._accessibility()
        assert problems == [], f"{where}: {problems}"
        assert self.wrong == []

    def _accessibility(self) -> list[str]:
        # The page's policy forbids scripts from elsewhere: this one comes by the debugger.
        self.page.evaluate(f"() => {{ {self._tools.axe} }}")
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:200]})" for v in found["violations"]]


@contextmanager
def window(browser: Browser, receiver: Receiver, tools: Tools, **options: object) -> Iterator[Visitor]:
    """A new window, with nothing remembered. ``options`` are the browser's: java_script_enabled, viewport."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    try:
        scripts = options.get("java_script_enabled", True) is True
        yield Visitor(context.new_page(), receiver, tools, scripts=scripts)
    finally:
        context.close()
