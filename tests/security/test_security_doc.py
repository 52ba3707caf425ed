"""The pages on security and accessibility name only what exists, and leave nothing out that they mean to list."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from receiver.cli import group
from receiver.fields import field_table
from receiver.settings import environment_names
from receiver.store.tables import build_tables

ROOT = Path(__file__).parents[2]
PAGES = ["docs/security.md", "SECURITY.md", "docs/accessibility.md"]
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")

# OWASP ASVS 5.0.0, by chapter: how many items of levels 1 and 2 each section has. They come first in every section.
ASVS = {
    1: (2, 9, 11, 3, 2),
    2: (3, 3, 4, 1),
    3: (0, 2, 4, 6, 5, 0, 2),
    4: (3, 1, 2, 4),
    5: (1, 3, 2, 3),
    6: (3, 12, 4, 4, 5, 3, 0, 4),
    7: (3, 4, 2, 5, 2, 2),
    8: (2, 3, 1, 1),
    9: (3, 4),
    10: (2, 2, 4, 11, 5, 2, 3),
    11: (2, 3, 3, 4, 1, 1, 0),
    12: (3, 2, 4),
    13: (1, 5, 2, 5),
    14: (2, 4, 3),
    15: (3, 3, 7, 0),
    16: (1, 5, 4, 3, 3),
    17: (1, 4, 2),
}
ANSWERS = {"shown", "built so", "operator", "nothing here", "falls short"}
_LEVELS = {"debug", "info", "warning", "error", "exception"}
_TOPS = ("deploy", "docs", "migrations", "receiver", "schemas", "tests")


# What a page says that is not so


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def missing_tests(text: str) -> list[str]:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w*)", text)
    return [
        f"{path}::{name}" for path, name in named if not (ROOT / path).is_file() or name not in functions(ROOT / path)
    ]


def missing_settings(text: str) -> list[str]:
    named = re.findall(r"\bRECEIVER_[A-Z_]+", text)
    return [name for name in named if name not in environment_names()]


def missing_files(text: str) -> list[str]:
    quoted = re.findall(rf"`((?:{'|'.join(_TOPS)})/[\w./-]+|[\w.-]+\.(?:md|lock|toml|yaml)|\.dockerignore)", text)
    return [name for name in quoted if not (ROOT / name).exists()]


def missing_commands(text: str) -> list[str]:
    known = group.list_commands(click.Context(group))
    return [name for name in re.findall(r"`receiver ([a-z-]+)", text) if name not in known]


def missing_targets(text: str) -> list[str]:
    made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in re.findall(r"`make ([a-z-]+)", text) if name not in made]


def missing_rows(text: str) -> list[str]:
    """Tables and views, and what is said to be a column of one."""
    tables = build_tables(field_table()).metadata.tables
    columns = re.findall(r"`([a-z_]+)\.([a-z_]+)`", text)
    wrong = [f"{t}.{c}" for t, c in columns if t in tables and c not in tables[t].columns]
    migrations = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "migrations/versions").glob("*.py"))
    return wrong + [view for view in re.findall(r"\bv1_[a-z_]+", text) if view not in migrations]


Check = Callable[[str], list[str]]
CHECKS: list[Check] = [
    missing_tests,
    missing_settings,
    missing_files,
    missing_commands,
    missing_targets,
    missing_rows,
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_a_page_names_is_there(check: Check, page: str) -> None:
    assert check((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("https://")]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (missing_tests, "`tests/security/test_security_doc.py::test_that_is_not_there`"),
        (missing_tests, "`tests/security/test_not_there.py::test_links_lead_somewhere`"),
        (missing_tests, "`tests/security/test_security_doc.py::`"),
        (missing_settings, "`RECEIVER_NO_SUCH_SETTING`"),
        (missing_files, "`deploy/apache.conf` and more"),
        (missing_files, "`NOTHING.md`"),
        (missing_commands, "`receiver fly`"),
        (missing_targets, "`make coffee`"),
        (missing_rows, "`v1_secrets`"),
        (missing_rows, "`pushes.password`"),
    ],
)
def test_a_check_sees_what_is_not_there(check: Check, text: str) -> None:
    assert check(text)


# What docs/security.md means to list whole


def section(title: str) -> str:
    """The text below the heading that begins so, to the next of its rank."""
    return re.split(r"^## ", SECURITY.partition(f"\n## {title}")[2], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of each line of the text's tables, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_table_is_in_the_list_of_what_is_kept() -> None:
    listed = set(re.findall(r"`([a-z_0-9]+)`", "".join(row[1] for row in rows(section("What is kept")))))
    assert set(build_tables(field_table()).metadata.tables) <= listed


def logged() -> Iterator[str]:
    """The name of every event that the receiver's code logs."""
    for path in (ROOT / "receiver").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            of, first = ast.unparse(node.func.value), node.args[0]
            if node.func.attr in _LEVELS and of in ("_log", "structlog.get_logger()"):
                assert isinstance(first, ast.Constant), f"{path}: the event has no static name"
                yield str(first.value)


def test_every_event_that_is_logged_is_listed() -> None:
    events = set(logged())
    assert len(events) > 10
    listed = set(re.findall(r"`([a-z_]+)`", "".join(row[0] for row in rows(section("What is logged")))))
    assert listed == events


def items(cell: str) -> Iterator[str]:
    """``1.2.3, 1.2.5 to 1.2.7`` one by one."""
    for part in cell.split(", "):
        first, _, last = part.partition(" to ")
        whole, number = first.rsplit(".", 1)
        last = last or first
        assert last.rsplit(".", 1)[0] == whole, part
        yield from (f"{whole}.{n}" for n in range(int(number), int(last.rsplit(".", 1)[1]) + 1))


def asvs_rows() -> list[list[str]]:
    return [row for row in rows(section("OWASP ASVS")) if re.match(r"\d", row[0])]


def test_every_item_of_the_standard_is_answered_once() -> None:
    expected = Counter(
        f"{chapter}.{section}.{n}"
        for chapter, counts in ASVS.items()
        for section, count in enumerate(counts, start=1)
        for n in range(1, count + 1)
    )
    assert expected.total() == 253
    assert Counter(item for row in asvs_rows() for item in items(row[0])) == expected


def test_an_answer_is_one_of_those_explained_and_what_is_shown_names_its_test() -> None:
    explained = set(re.findall(r"^\* \*\*([a-z ]+)\*\*", section("OWASP ASVS"), re.MULTILINE))
    assert explained == ANSWERS
    for item, _asks, answer, by in asvs_rows():
        assert answer in ANSWERS, item
        if answer == "shown":
            assert "::test_" in by, item
        if answer == "falls short":
            assert by, f"{item} does not say in what"
