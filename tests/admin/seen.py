"""Pages that tests fetched without a browser: looked at when the tests of a file are done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_IDS = re.compile(r'\sid="([^"]*)"')
_fetched: dict[str, tuple[str, Mapping[str, str]]] = {}


def fetched(where: str, status: int, headers: Mapping[str, str], text: str) -> None:
    """Remember a page of ours; what leads elsewhere is none."""
    lower = {name.lower(): value for name, value in headers.items()}
    if "/admin" in where and "text/html" in lower.get("content-type", "") and not 300 <= status < 400:
        _fetched[f"{status} {where}"] = text, lower


def wrong_pages(validate: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """What is wrong with the pages that were fetched since this was last asked, by their address."""
    pages = dict(_fetched)
    _fetched.clear()
    found = {
        where: (check_html(text, headers) if "<html" in text else []) + validate(text)
        for where, (text, headers) in pages.items()
        if "<html" in text
    }
    return {where: problems for where, problems in found.items() if problems}


def check_html(html: str, headers: Mapping[str, str]) -> list[str]:
    """What is wrong with any page that can be said without a browser."""
    policy = {name.lower(): value for name, value in headers.items()}["content-security-policy"]
    problems = []
    if "default-src 'none'" not in policy or "unsafe" in policy:
        problems.append(f"policy: {policy}")
    title = _TITLE.search(html)
    if title is None or not title.group(1).strip().removesuffix("DRS receiver").strip(" \u2013"):
        problems.append("no title")
    if html.count("<h1") != 1:
        problems.append(f"{html.count('<h1')} first headings")
    ids = _IDS.findall(html)
    problems += [f"id {name} twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
    if re.search(r"\son[a-z]+=|\sstyle=|<style", html):
        problems.append("code or style in the page")
    return problems
