"""Official DashScope SDKs, each in an environment of its own, against the server.

The environments come from the package index, so these tests run only where they are asked for by name: `make test-sdk`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.sdk.recordings import clips_of_a_minute, write_wav
from tests.sdk.sdk import Program, Sdk

from harness import english_clips, silence
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

ROOT = Path(__file__).parents[2]
UV = str(Path(shutil.which(os.environ.get("UV", "uv")) or ROOT / ".uv" / "bin" / "uv").absolute())

VERSIONS = ("1.25.6", "1.25.24", "2.0.2")
"""The first that has `end_session`, the last of its line, and the newest (whose class for it 1.27.8 has as well)."""

Environments = Callable[[str], Sdk]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Gives the environment of a version. uv builds it from its cache in a second, so nothing is kept."""
    folder = tmp_path_factory.mktemp("environments")

    def uv(*arguments: str) -> None:
        # Elsewhere than in the project, whose pins hold one version of the SDK.
        done = subprocess.run([UV, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{UV} {' '.join(arguments)}: {done.stderr}"

    @cache
    def build(version: str) -> Sdk:
        python = folder / version / "bin" / "python"
        uv("venv", "--quiet", "--python", sys.executable, version)
        uv("pip", "install", "--quiet", "--python", str(python), f"dashscope=={version}")
        return Sdk(version, python)

    return build


@pytest.fixture(scope="session", params=VERSIONS)
def sdk(request: pytest.FixtureRequest, environment: Environments) -> Sdk:
    """Each version in turn."""
    return environment(request.param)


@pytest.fixture(scope="session")
def newest_sdk(environment: Environments) -> Sdk:
    """The only one with the 2.x client."""
    return environment(VERSIONS[-1])


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The server as `make start` runs it, but for its port."""
    with local_server() as running:
        yield running


@pytest.fixture(scope="session")
def scripted_server() -> Iterator[LocalServer]:
    """One whose engine takes all languages and hears made-up words."""
    with local_server(env={"ASR_ENGINE": "scripted"}) as running:
        yield running


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """WAV files: `sentence`, `sentences` (two, with a pause between them) and `minute`."""
    folder = tmp_path_factory.mktemp("recordings")
    clips = {clip.name: clip.samples for clip in english_clips()}
    sentence, command = clips["libri_0930.wav"], clips["cmd_goforward.wav"]
    samples = {
        "sentence": sentence,
        "sentences": np.concatenate([sentence, silence(1.2), command]),
        "minute": np.concatenate([clip.samples for clip in clips_of_a_minute()]),
    }
    paths = {name: folder / f"{name}.wav" for name in samples}
    for name, path in paths.items():
        write_wav(path, samples[name])
    return paths


@pytest.fixture(scope="session")
def minute_upload(newest_sdk: Sdk, server: LocalServer, recordings: dict[str, Path]) -> Iterator[Program]:
    """The program that uploads a minute of speech before it reads."""
    program = newest_sdk.start("client_upload_first", server.url, recordings["minute"])
    yield program
    program.kill()


@pytest.fixture(scope="session", autouse=True)
def _start_the_longest_first(request: pytest.FixtureRequest) -> None:
    """Let that program run beside the other tests, if its test has been asked for."""
    if any("minute_upload" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("minute_upload")
