"""The container files, as far as they can be read without an engine to run them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Stage = list[tuple[str, str]]


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    """Each stage of the Dockerfile: its instructions with their arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        instruction, arguments = line.split(maxsplit=1)
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, arguments))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def only(stage: Stage, instruction: str) -> str:
    (arguments,) = [arguments for name, arguments in stage if name == instruction]
    return arguments


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    assert hadolint.exists(), "hadolint is not installed: make test does the set-up"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_images_are_small_and_named_by_version(stages: list[Stage], compose: dict[str, Any]) -> None:
    assert len(stages) > 1
    for stage in stages:
        assert re.fullmatch(r"(python:3\.\d+-slim-\w+|node:\d+-\w+-slim)( AS \w+)?", only(stage, "FROM"))
    assert re.fullmatch(r"postgres:\d+-\w+", compose["services"]["database"]["image"])


def test_everything_installed_is_locked(stages: list[Stage]) -> None:
    commands = [c for stage in stages for name, run in stage if name == "RUN" for c in run.split("&&")]
    installs = [command for command in commands if "pip install" in command]
    assert installs
    for command in installs:
        assert "--require-hashes" in command or {"--no-deps", "--no-index"} <= set(command.split())


def test_what_is_copied_is_there_and_reaches_the_build(stages: list[Stage]) -> None:
    let_through = set((ROOT / ".dockerignore").read_text().split())
    for stage in stages:
        for name, arguments in stage:
            if name == "COPY" and not arguments.startswith("--from="):
                *sources, _target = arguments.split()
                for source in sources:
                    assert (ROOT / source).exists(), source
                    assert f"!{source}" in let_through


def test_the_image_runs_the_server_as_nobody_in_particular(stages: list[Stage]) -> None:
    final = stages[-1]
    user, group = only(final, "USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert not any(name in {"RUN", "COPY"} for name, _ in final[final.index(("USER", f"{user}:{group}")) :])
    assert json.loads(only(final, "ENTRYPOINT")) == ["receiver"]
    assert json.loads(only(final, "CMD")) == ["serve", "--bind", "0.0.0.0:8000"]


def test_the_health_check_is_python_that_compiles(stages: list[Stage]) -> None:
    arguments = only(stages[-1], "HEALTHCHECK")
    python, option, script = json.loads(arguments[arguments.index("CMD") + len("CMD") :])
    assert (python, option) == ("python", "-c")
    assert "/healthz" in script
    compile(script, "healthcheck", "exec")


@pytest.mark.parametrize("service", ["receiver", "migrate"])
def test_our_services_can_do_no_more_than_they_need(compose: dict[str, Any], service: str) -> None:
    settings = compose["services"][service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert [mount.split(":")[0] for mount in settings["tmpfs"]] == ["/tmp"]
    # Nothing of the host, and only what must outlive the container: the spool.
    assert settings.get("volumes", []) == (["receiver:/var/lib/receiver"] if service == "receiver" else [])
    for name in ("RECEIVER_PUSH_USERNAME", "RECEIVER_PUSH_PASSWORD"):
        assert settings["environment"][name].startswith(f"${{{name}:?")


def test_the_server_starts_once_the_migrations_are_done(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["migrate"]["command"] == ["migrate"]
    assert services["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["receiver"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert "healthcheck" in services["database"]
