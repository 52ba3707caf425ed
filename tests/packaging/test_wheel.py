"""The wheel: complete by itself, in an environment that has nothing but the locked dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.pushes import confirmation
from tests.support.receiver import Receiver

ROOT = Path(__file__).parents[2]
TOP_LEVEL_DATA = ("migrations", "schemas")


def run(*command: str | Path, cwd: Path) -> str:
    """The command's output; what it wrote on both channels is shown when it fails."""
    ours = ("PYTHON", "RECEIVER_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_wheel(source: Path, folder: Path) -> Path:
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, source, cwd=folder.parent)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("build") / "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a new environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    pip = (programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=folder)
    run(*pip, "--no-deps", "--no-index", wheel, cwd=folder)
    run(programs / "python", "-m", "pip", "--disable-pip-version-check", "check", cwd=folder)
    return programs


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_every_file_travels_in_the_wheel(wheel: Path) -> None:
    expected = {f"receiver/{name}": data for name, data in files_below(ROOT / "receiver").items()}
    for folder in TOP_LEVEL_DATA:
        files = files_below(ROOT / folder)
        assert files, f"{folder}/ is empty"
        expected |= {f"receiver/_data/{folder}/{name}": data for name, data in files.items()}
    packed = contents(wheel)
    assert sorted(packed) == sorted(expected)
    assert packed == expected


def test_a_wheel_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    assert contents(build_wheel(sdist, tmp_path / "wheel")) == contents(wheel)


def test_the_command_is_there(installed: Path, tmp_path: Path) -> None:
    assert "serve" in run(installed / "receiver", "--help", cwd=tmp_path)
    assert "serve" in run(installed / "python", "-m", "receiver", "--help", cwd=tmp_path)


@pytest.mark.parametrize("folder", TOP_LEVEL_DATA)
def test_the_data_is_found_through_the_package(installed: Path, tmp_path: Path, folder: str) -> None:
    look = (
        "from importlib.resources import files\n"
        f"for entry in files('receiver').joinpath('_data', {folder!r}).iterdir(): print(entry.name)"
    )
    found = run(installed / "python", "-c", look, cwd=tmp_path).splitlines()
    assert {name.split("/")[0] for name in files_below(ROOT / folder)} <= set(found)


def test_the_demo_plays_its_day(installed: Path, tmp_path: Path) -> None:
    done = json.loads(run(installed / "receiver", "demo", "--once", "--json", cwd=tmp_path))
    assert (done["ok"], done["not_actioned"], done["differences"]) == (True, [], [])


def test_it_serves_on_every_database(installed: Path, tmp_path: Path, database_url: str) -> None:
    class Installed(Receiver):
        python = str(installed / "python")

    with Installed(database_url, tmp_path) as receiver:
        assert receiver.push(confirmation()).said("status") == "success"
        assert receiver.booking("731904")["status"] == "confirmed"


def test_the_schemas_in_the_wheel_are_of_its_field_table(installed: Path, tmp_path: Path) -> None:
    run(installed / "receiver", "schemas", "--check", cwd=tmp_path)
