"""The bill of materials: everything that is locked, and the receiver; valid, and the same however often it is made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]
TARGET = "dist/sbom.cdx.json"


def arguments(build_file: str) -> list[str]:
    """How the bill is made there, without where it is written to."""
    text = re.sub(r"\\\n\s*", "", (ROOT / build_file).read_text(encoding="utf-8"))
    (found,) = re.findall(r"-m cyclonedx_py (.*)", text)
    words = str(found).split()
    place = words.index("--output-file")
    return words[:place] + words[place + 2 :]


def make(target: Path) -> str:
    """Write it as ``make sbom`` does, in a folder without a network's help, and read it."""
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    unreachable = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    command = [sys.executable, "-W", "ignore::UserWarning", "-m", "cyclonedx_py", *arguments("Makefile")]
    done = subprocess.run(
        [*command, "--output-file", target],
        cwd=ROOT,
        env={**environment, **unreachable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make(tmp_path_factory.mktemp("bill") / "sbom.cdx.json")


def locked() -> dict[str, tuple[str, set[str]]]:
    """Version and hashes of each package of the lock, by name."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if start := re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line):
            name = start[1]
            found[name] = (start[2], set())
        elif digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            found[name][1].add(digest[1])
    return found


def test_it_is_valid(bill: str) -> None:
    document = json.loads(bill)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_it_names_the_receiver(bill: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    product: dict[str, Any] = json.loads(bill)["metadata"]["component"]
    assert (product["type"], product["name"], product["version"]) == (
        "application",
        project["name"],
        project["version"],
    )


def test_it_lists_what_is_locked_and_nothing_else(bill: str) -> None:
    listed = {
        component["name"]: (
            component["version"],
            {
                h["content"]
                for r in component["externalReferences"]
                for h in r.get("hashes", ())
                if h["alg"] == "SHA-256"
            },
        )
        for component in json.loads(bill)["components"]
    }
    expected = locked()
    assert len(expected) > 20
    assert all(hashes for _, hashes in expected.values())
    assert listed == expected


def test_each_package_can_be_looked_up(bill: str) -> None:
    for component in json.loads(bill)["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name'].lower()}@{component['version']}"


def test_it_comes_out_the_same_again(bill: str, tmp_path: Path) -> None:
    assert make(tmp_path / "again.json") == bill
    assert "serialNumber" not in json.loads(bill)
    assert str(ROOT) not in bill


def test_the_image_has_the_same() -> None:
    assert arguments("Dockerfile") == arguments("Makefile")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--output-file /srv/receiver/sbom.cdx.json" in dockerfile
    assert "COPY --from=build /srv/receiver /srv/receiver" in dockerfile
    assert f"--output-file {TARGET}" in (ROOT / "Makefile").read_text(encoding="utf-8")
