"""Attacks on a parser, in a process of their own: ``python -m tests.hostile.amplification`` tells what each costs."""

from __future__ import annotations

import argparse
import ctypes
import gc
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.fields import field_table
from tests.support.corridor import corridor

from .driving import watching
from .shapes import SHAPES

MEGABYTE = 1024 * 1024
_RECORD = (
    "<bookingCancellation><bookingId>1</bookingId><primaryOrderNumber>{}</primaryOrderNumber></bookingCancellation>"
)


@dataclass(frozen=True)
class Attack:
    """A document of about a number of bytes, where it can be of any, and what it may be refused for (None: read)."""

    body: Callable[[int], bytes]
    reasons: tuple[str | None, ...]


@dataclass(frozen=True)
class Outcome:
    """What an attack came to: growth of memory in bytes, seconds of the processor, and what was reached for outside."""

    reason: str | None
    growth: int
    seconds: float
    outside: list[str]


def _doctype(inside: str, text: str = "&e;", encoding: str = "utf-8") -> bytes:
    return f"<!DOCTYPE bookingCancellation {inside}>{_RECORD.format(text)}".encode(encoding)


def _with_doctype(inside: str, _size: int) -> bytes:
    return _doctype(inside)


def laughs(_size: int = 0) -> bytes:
    names = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)]
    return _doctype(f'[<!ENTITY l0 "lol">{"".join(names)}]', "&l11;")


def laughs_in_attribute(_size: int = 0) -> bytes:
    return laughs().replace(b"<bookingId>", b'<bookingId a="&l11;">')


def blow_up(_size: int = 0) -> bytes:
    """One long entity, named very often."""
    return _doctype(f'[<!ENTITY e "{"a" * 100_000}">]', "&e;" * 100_000)


def parameters(_size: int = 0) -> bytes:
    names = "".join(f'<!ENTITY % p{n} "{f"&#37;p{n - 1};" * 10}">' for n in range(1, 10))
    return _doctype(f'[<!ENTITY % p0 "x">{names} %p9;]', "x")


def in_codec(codec: str, _size: int) -> bytes:
    return _doctype('[<!ENTITY e "x">]', "&e;", codec)


def _in_record(inside: str) -> bytes:
    return _RECORD.format("A").replace("</bookingId>", f"</bookingId>{inside}").encode()


def include(_size: int = 0) -> bytes:
    return _in_record('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/hostname" parse="text"/>')


def hints(_size: int = 0) -> bytes:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    where = 'xsi:schemaLocation="u http://127.0.0.1:9/a.xsd" xsi:noNamespaceSchemaLocation="/etc/hostname"'
    return _RECORD.format("A").replace("<bookingCancellation>", f"<bookingCancellation {xsi} {where}>").encode()


def hints_in_what_is_wrong(_size: int = 0) -> bytes:
    """The same where xmlschema is asked, too."""
    return hints().replace(b"<bookingId>1", b"<bookingId>x")


def base(_size: int = 0) -> bytes:
    return _in_record('<x xml:base="http://127.0.0.1:9/"/><x xml:id="a"/><x xml:id="a"/>')


_STYLE = b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/a.xsl"?><?xml-model href="/etc/hostname"?>'
_OUTSIDE = {
    "a file": 'SYSTEM "file:///etc/hostname"',
    "a relative file": 'SYSTEM "pyproject.toml"',
    "http": 'SYSTEM "http://127.0.0.1:9/a.dtd"',
    "ftp": 'PUBLIC "-//a" "ftp://127.0.0.1:9/a.dtd"',
    "an entity of a file": '[<!ENTITY e SYSTEM "file:///etc/hostname">]',
    "an entity of http": '[<!ENTITY e SYSTEM "http://127.0.0.1:9/e">]',
    "an entity of ftp": '[<!ENTITY e SYSTEM "ftp://127.0.0.1:9/e">]',
    "an entity of a device": '[<!ENTITY e SYSTEM "file:///dev/zero">]',
    "a parameter entity of a file": '[<!ENTITY % p SYSTEM "file:///etc/hostname"> %p; <!ENTITY e "x">]',
    "a parameter entity of http": '[<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p; <!ENTITY e "x">]',
    "default attributes": '[<!ATTLIST bookingId a CDATA "x"><!ENTITY e "x">]',
}
# Very many records cost what very many records cost: their time is that of the campaign's figures, not of a test.
_OF_RECORDS = frozenset({"bad_records", "empty_records", "strays_between"})

# Ten megabytes of nothing but text take nine times that while they are read, judged and stored: bulk, not an attack.
_OF_TEXT = frozenset({"texts"})


def _sized(shape: Callable[[int], bytes], name: str, size: int) -> bytes:
    return shape(min(size, 200_000) if name in _OF_RECORDS else size)


_REFUSED = ("doctype", "not_well_formed")
_READ: tuple[str | None, ...] = (None, "invalid", "too_long", "too_deep", "too_many_elements", "too_many_attributes")
_READ = (*_READ, "too_many_records", "must_understand", "not_well_formed", "unknown_root")

ATTACKS: dict[str, Attack] = {
    "billion laughs": Attack(laughs, _REFUSED),
    "billion laughs in an attribute": Attack(laughs_in_attribute, _REFUSED),
    "quadratic blow-up": Attack(blow_up, _REFUSED),
    "parameter entities": Attack(parameters, _REFUSED),
    **{f"a DOCTYPE in {c}": Attack(partial(in_codec, c), (*_REFUSED, "encoding"))
       for c in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-7", "cp037")},
    **{f"a DOCTYPE that names {what}": Attack(partial(_with_doctype, inside), _REFUSED)
       for what, inside in _OUTSIDE.items()},
    "XInclude": Attack(include, (None,)),
    "hints of schemas": Attack(hints, (None,)),
    "hints of schemas in what is wrong": Attack(hints_in_what_is_wrong, ("invalid",)),
    "xml:base and xml:id": Attack(base, (None, "not_well_formed")),
    "style sheets": Attack(lambda _: _STYLE + _RECORD.format("A").encode(), (None,)),
    "a gzip body": Attack(lambda _: gzip.compress(_RECORD.format("A").encode()), ("not_well_formed",)),
    **{name: Attack(partial(_sized, shape, name), _READ) for name, shape in SHAPES.items() if name not in _OF_TEXT},
}  # fmt: skip


def attacks(names: Iterable[str], size: int) -> Iterator[tuple[str, Outcome]]:
    """Make the attacks in a process of their own; ``size`` in bytes is that of what can be of any."""
    program = [sys.executable, "-m", "tests.hostile.amplification", "--json", "--bytes", str(size), *names]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            name, found = json.loads(line)
            yield name, Outcome(**found)


def _peak() -> int:
    """The most memory that this process held since this was last asked, in bytes, all that is free given back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak


def _measured(names: Iterable[str], size: int) -> Iterator[tuple[str, Outcome]]:
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        url = f"sqlite:///{folder}/a.db"
        watch = watching(url)
        with corridor(url) as found:
            for kind in field_table().kinds.values():
                found.push(f"<{kind.root}/>")
            for name in names:
                body = ATTACKS[name].body(size)
                _peak()
                before, started, watch.on = _peak(), time.process_time(), True
                receipt = found.push(body)
                watch.on = False
                seconds = time.process_time() - started
                # The copies of the body that a database makes are not what an attack multiplies.
                growth = max(0, _peak() - before - 3 * len(body))
                yield name, Outcome(receipt.reason, growth, seconds, list(watch.seen))
                watch.seen.clear()


def main() -> None:
    """The attacks named, or all, each on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="some of them: " + ", ".join(ATTACKS))
    parser.add_argument("--bytes", type=int, default=8 * MEGABYTE, help="of what can be of any size")
    parser.add_argument("--json", action="store_true", help="a list of name and figures for each")
    given = parser.parse_args()
    for name, found in _measured(given.names or ATTACKS, given.bytes):
        said = f"{found.seconds:7.2f} s {found.growth / MEGABYTE:6.1f} MB  {name}: {found.reason or 'read'}"
        print(json.dumps([name, asdict(found)]) if given.json else said, flush=True)


if __name__ == "__main__":
    main()
