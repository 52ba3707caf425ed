"""The table of who may use what, held by reading the code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ("errors", "fields", "wire", "messages")

# Part of the receiver -> the parts that it may import. Only app and cli put the parts together.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "packaged": set(),
    "log": set(),
    "strands": set(),
    "fields": {"errors"},
    "wire": {"errors", "fields"},
    "messages": {"errors", "fields", "wire"},
    "store": {"errors", "fields", "messages", "packaged", "strands"},
    "people_settings": set(),
    "rhythm": {"fields"},
    "rhythm_settings": {"fields", "rhythm"},
    "settings": {"errors", "fields", "messages", "people_settings", "rhythm_settings", "spool", "wire"},
    "settings_told": {"settings"},
    "spool": {"errors"},
    "intake": {"errors", "fields", "messages", "spool", "store", "strands", "wire"},
    "jobs": {"errors", "fields", "intake", "messages", "spool", "store", "wire"},
    "web": {"errors", "fields", "intake", "spool", "store", "strands", "wire"},
    "admin": {"errors", "fields", "intake", "jobs", "messages", "rhythm", "spool", "store", "web", "wire"},
    "simulate": {"errors", "fields"},
    "sources": {"fields", "intake", "messages", "settings", "wire"},
    "app": {
        *("admin", "errors", "fields", "intake", "jobs", "messages", "rhythm", "settings", "sources", "spool", "store"),
        *("web", "wire"),
    },
    "cli": {
        *("app", "errors", "fields", "intake", "jobs", "log", "messages", "packaged", "server", "settings", "simulate"),
        *("settings_told", "sources", "spool", "store", "web", "wire"),
    },
    "server": {"errors", "jobs", "log", "settings", "strands", "web", "wire"},
    "__main__": {"cli"},
}

# Library -> the parts that may use it, and the single modules that may use these names of it.
LIBRARIES: dict[str, tuple[set[str], dict[str, set[str]]]] = {
    "sqlalchemy": (
        {"store"},
        {
            # The transaction is the corridor's: it hands its connection on, and does nothing else with it.
            "intake/work.py": {"Connection"},
            "intake/settling.py": {"Connection"},
            "intake/repeats.py": {"Connection"},
            "intake/telling.py": {"Connection"},
            # Commands that work on the database at once tell its errors in our words, in one place.
            "cli/database.py": {"Engine", "SQLAlchemyError"},
        },
    ),
    "alembic": ({"store"}, {}),
    "psycopg": ({"store"}, {}),
    "sqlite3": ({"store"}, {}),
    "flask": ({"web", "app", "admin"}, {}),
    "flask_wtf": ({"admin"}, {}),
    "itsdangerous": ({"admin"}, {}),
    "argon2": ({"store"}, {}),
    "authlib": (set(), {"admin/oidc.py": {"AuthlibBaseError", "MismatchingStateError", "OAuthError", "OAuth"}}),
    "joserfc": (set(), {"admin/oidc.py": {"ClaimError", "ExpiredTokenError", "JoseError"}}),
    "requests": (set(), {"admin/oidc.py": {""}}),
    "werkzeug": ({"web", "app", "admin"}, {"cli/hash_password.py": {"generate_password_hash"}}),
    "gunicorn": ({"server"}, {}),
    "greenlet": ({"strands"}, {}),
    "click": ({"cli"}, {}),
    "xmlschema": ({"messages"}, {}),
    "lxml": ({"fields", "wire", "messages", "simulate"}, {}),
    "orjson": ({"store", "messages", "log"}, {}),
    "prometheus_client": ({"web", "server"}, {}),
    "pydantic": ({"settings", "people_settings", "rhythm_settings", "settings_told"}, {}),
    "pydantic_settings": ({"settings"}, {}),
}

PARSERS = {"XMLParser", "XMLPullParser", "HTMLParser", "XMLTreeBuilder", "fromstring", "fromstringlist", "parse"}
PARSERS |= {"iterparse", "XML", "XMLID", "parseid", "HTML", "XMLDTDID"}
# The simulated DRS reads replies, and shares nothing with what it tests.
MAY_PARSE = {"simulate/reply.py"}

_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime", "sleep"}


@dataclass(frozen=True)
class Module:
    """One module of the receiver: its path below the package, and what it is made of."""

    path: str
    source: str

    @property
    def part(self) -> str:
        return self.path.removesuffix(".py").partition("/")[0]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    def imports(self) -> Iterator[tuple[str, str]]:
        """Every import, wherever it stands, as the module's full name and the name taken from it ("" for none)."""
        package = ["receiver", *self.path.split("/")[:-1]]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                whole = ".".join([*above, *([node.module] if node.module else [])])
                yield from ((whole, alias.name) for alias in node.names)


def modules() -> list[Module]:
    folder = ROOT / "receiver"
    found = sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts and "_data" not in p.parts)
    return [Module(p.relative_to(folder).as_posix(), p.read_text(encoding="utf-8")) for p in found]


MODULES = modules()
Rule = Callable[[Module], list[str]]


# Rules: each gives what a module does wrong


def wrong_parts(module: Module) -> list[str]:
    wrong = []
    for whole, name in module.imports():
        package, _, rest = whole.partition(".")
        if package != "receiver":
            continue
        used = (rest or name).partition(".")[0]
        if used != module.part and used not in MAY_IMPORT.get(module.part, set()):
            wrong.append(f"imports {used}")
    return wrong


def wrong_libraries(module: Module) -> list[str]:
    wrong = []
    for whole, name in module.imports():
        library = whole.partition(".")[0]
        if library not in LIBRARIES:
            continue
        parts, names = LIBRARIES[library]
        if module.part not in parts and name not in names.get(module.path, set()):
            wrong.append(f"imports {library} {name}".rstrip())
    return wrong


def _called(node: ast.AST) -> str:
    """``datetime.now`` of ``datetime.now(UTC)``; "" for what is no call of a name."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def wrong_clocks(module: Module) -> list[str]:
    """What is pure, and the corridor and the store with it, is told the time."""
    if module.part not in {*PURE, "intake", "store", "simulate"}:
        return []
    wrong = [f"imports {whole}" for whole, _ in module.imports() if whole in ("time", "calendar", "zoneinfo.tzpath")]
    for node in ast.walk(module.tree):
        of, _, name = _called(node).rpartition(".")
        if name in CLOCKS and of.rpartition(".")[2] in ("datetime", "date", "time"):
            wrong.append(f"asks the clock: {of}.{name}()")
    return wrong


def wrong_surroundings(module: Module) -> list[str]:
    """What is pure looks at nothing but its arguments."""
    if module.part not in PURE:
        return []
    outside = {
        "os",
        "sys",
        "io",
        "pathlib",
        "socket",
        "subprocess",
        "urllib",
        "http",
        "random",
        "secrets",
        "logging",
        "structlog",
    }
    wrong = [f"imports {whole}" for whole, _ in module.imports() if whole.partition(".")[0] in outside]
    return wrong + [
        f"calls {name}()" for name in map(_called, ast.walk(module.tree)) if name in ("open", "print", "input")
    ]


def wrong_environment(module: Module) -> list[str]:
    """Only settings read the environment; commands and the shared counts may name a folder in it."""
    if module.part in ("settings", "cli", "server") or module.path in ("web/metrics.py", "web/room.py"):
        return []
    wrong = [f"imports os.{name}" for whole, name in module.imports() if whole == "os" and name in _ENVIRONMENT]
    attributes = [n for n in ast.walk(module.tree) if isinstance(n, ast.Attribute) and n.attr in _ENVIRONMENT]
    return wrong + [f"reads {ast.unparse(n)}" for n in attributes if ast.unparse(n.value) == "os"]


def wrong_parsers(module: Module) -> list[str]:
    """Only wire parses XML: there it is bounded, and nothing outside is opened."""
    if module.part == "wire" or module.path in MAY_PARSE:
        return []
    wrong = [f"imports {whole}" for whole, _ in module.imports() if whole.startswith(("xml.", "html.parser"))]
    for node in ast.walk(module.tree):
        of, _, name = ast.unparse(node).rpartition(".") if isinstance(node, ast.Attribute) else ("", "", "")
        if of.rpartition(".")[2] == "etree" and name in PARSERS:
            wrong.append(f"uses etree.{name}")
    wrong += [f"imports {name}" for whole, name in module.imports() if whole == "lxml.etree" and name in PARSERS]
    return wrong


def naive_times(module: Module) -> list[str]:
    wrong = []
    for node in ast.walk(module.tree):
        _, _, name = _called(node).rpartition(".")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of = ast.unparse(node.func.value).rpartition(".")[2]
        naive = name in ("now", "fromtimestamp") and len(node.args) + len(node.keywords) < (1 if name == "now" else 2)
        if of == "datetime" and (naive or name in ("utcnow", "utcfromtimestamp", "today")):
            wrong.append(f"datetime.{name} without a zone")
        if of == "date" and name == "today":
            wrong.append("date.today is that of the host's zone")
    return wrong


def side_effects(module: Module) -> list[str]:
    """Importing a module does nothing but define: no statement at its top level acts."""
    if module.path == "__main__.py":
        return []
    acting = (ast.For, ast.While, ast.With, ast.Try, ast.Delete, ast.Raise, ast.Assert)
    wrong = [f"line {n.lineno}: {type(n).__name__}" for n in module.tree.body if isinstance(n, acting)]
    for node in module.tree.body:
        called = _called(node.value) if isinstance(node, ast.Expr) else ""
        if called and not called.endswith((".add_command", ".update")):
            wrong.append(f"line {node.lineno}: {called}()")
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        for inner in ast.walk(value) if value is not None else ():
            name = _called(inner).rpartition(".")[2]
            if name in (
                "open",
                "read_text",
                "read_bytes",
                "connect",
                "create_engine",
                "create_app",
                "now",
                "field_table",
            ):
                wrong.append(f"line {node.lineno}: {name}()")
    return wrong


def too_long(module: Module) -> list[str]:
    lines = len(module.source.splitlines())
    return [f"{lines} lines"] if lines > 300 else []


def undescribed(module: Module) -> list[str]:
    return [] if ast.get_docstring(module.tree) or not module.tree.body else ["does not say what it is for"]


RULES: list[Rule] = [
    wrong_parts,
    wrong_libraries,
    wrong_clocks,
    wrong_surroundings,
    wrong_environment,
    wrong_parsers,
    naive_times,
    side_effects,
    too_long,
    undescribed,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    wrong = {module.path: found for module in MODULES if (found := rule(module))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (wrong_parts, "wire/x.py", "from receiver.messages import Judge"),
        (wrong_parts, "wire/x.py", "import receiver.store.engine"),
        (wrong_parts, "messages/x.py", "from receiver import intake"),
        (wrong_parts, "messages/x.py", "from ..store import tables"),
        (wrong_parts, "web/x.py", "def f():\n    from receiver.app import create_app"),
        (wrong_parts, "newcomer/x.py", "from receiver.errors import Refused"),
        (wrong_parts, "simulate/x.py", "from receiver.wire import Reading"),
        (wrong_libraries, "intake/intake.py", "from sqlalchemy import Connection"),
        (wrong_libraries, "intake/work.py", "from sqlalchemy import select"),
        (wrong_libraries, "wire/x.py", "import flask.globals"),
        (wrong_clocks, "messages/x.py", "import time"),
        (wrong_clocks, "store/x.py", "import datetime\nat = datetime.datetime.now(UTC)"),
        (wrong_clocks, "intake/x.py", "at = datetime.now(UTC)"),
        (wrong_surroundings, "wire/x.py", "from os import environ"),
        (wrong_surroundings, "messages/x.py", "text = open('x').read()"),
        (wrong_environment, "app.py", "import os\nos.environ['X']"),
        (wrong_environment, "app.py", "from os import getenv"),
        (wrong_parsers, "intake/x.py", "from lxml import etree\netree.fromstring(b)"),
        (wrong_parsers, "messages/x.py", "from lxml.etree import fromstring"),
        (wrong_parsers, "web/x.py", "import xml.etree.ElementTree as tree"),
        (naive_times, "web/x.py", "at = datetime.now()"),
        (naive_times, "web/x.py", "at = datetime.datetime.utcnow()"),
        (naive_times, "cli/x.py", "at = date.today()"),
        (naive_times, "cli/x.py", "at = datetime.fromtimestamp(0)"),
        (side_effects, "wire/x.py", "configure()"),
        (side_effects, "wire/x.py", "TABLE = field_table()"),
        (side_effects, "wire/x.py", "for x in y:\n    x.register()"),
        (too_long, "wire/x.py", "x = 1\n" * 301),
        (undescribed, "wire/x.py", "x = 1"),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source))


def test_every_part_is_in_the_table_and_the_table_has_no_circle() -> None:
    assert {m.part for m in MODULES} - {"__init__"} == set(MAY_IMPORT)
    settled: set[str] = set()
    while ready := {p for p, of in MAY_IMPORT.items() if p not in settled and of <= settled}:
        settled |= ready
    assert settled == set(MAY_IMPORT)


def test_every_exception_to_a_rule_is_still_needed() -> None:
    used = {(m.path, whole.partition(".")[0], name) for m in MODULES for whole, name in m.imports()}
    listed = {(path, lib, name) for lib, (_, of) in LIBRARIES.items() for path, names in of.items() for name in names}
    assert listed <= used
    assert {m.path for m in MODULES} >= MAY_PARSE
