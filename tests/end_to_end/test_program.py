"""The programs a newcomer runs: the console program, and the examples of the READMEs as they stand."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from qwen3_asr_realtime.client.local_server import LocalServer, local_server

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests" / "speech" / "libri_0930.wav"
WORDS = "He might even have been made amiable himself."


def program(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qwen3_asr_realtime", *arguments]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)


def test_transcribe(server: LocalServer) -> None:
    done = program("transcribe", str(CLIP), "--url", server.url, "--speed", "max")
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout


def test_transcribe_fails_with_a_line_and_a_status(server: LocalServer) -> None:
    done = program("transcribe", "no-such-file.wav", str(CLIP), "--url", server.url, "--speed", "max")
    assert done.returncode == 1
    assert "no-such-file.wav" in done.stderr
    assert WORDS in done.stdout
    done = program("transcribe", str(CLIP), "--url", server.url, "--language", "zh")
    assert done.returncode == 1
    assert "'en'" in done.stderr


def test_demo_runs_a_server_of_its_own() -> None:
    done = program("demo", str(CLIP))
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"VAD_THRESHOLD": "1.5"}, ["VAD_THRESHOLD=1.5", "from 0 up to 1"]),
        ({"ASR_ENGINE": "whisky"}, ["ASR_ENGINE=whisky", "embedded"]),
        ({"ASR_ENGINE": "vllm-remote"}, ["VLLM_ENDPOINTS", "http://"]),
        ({"ASR_ENGINE": "vllm-remote", "VLLM_ENDPOINTS": "http://127.0.0.1:9"}, ["http://127.0.0.1:9", "reached"]),
    ],
)
def test_serve_refuses_a_bad_setting_with_one_line(env: dict[str, str], words: list[str]) -> None:
    done = program("serve", **env)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words)


def test_serve_refuses_a_port_in_use_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = program("serve", SERVER_HOST="127.0.0.1", SERVER_PORT=port)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert port in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_status_0(number: signal.Signals, tmp_path: Path) -> None:
    with local_server(env={"ASR_ENGINE": "scripted"}, log_path=tmp_path / "log") as server:
        os.kill(server.pid, number)
        _, status = os.waitpid(server.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def test_health_names_engine_and_model(server: LocalServer) -> None:
    with urllib.request.urlopen(f"{server.http_url}/health") as answer:
        body = answer.read().decode()
        assert answer.status == 200
    assert '"engine":"embedded"' in body
    assert '"model":"moonshine-tiny-en"' in body


@pytest.mark.parametrize(
    ("readme", "heading"),
    [
        ("README.md", "### 示例: Manual 模式"),
        ("README.md", "### 示例: VAD 模式"),
        ("README.en.md", "### Example: Manual mode"),
        ("README.en.md", "### Example: VAD mode"),
    ],
)
def test_the_examples_of_the_readme_run(server: LocalServer, readme: str, heading: str, tmp_path: Path) -> None:
    section = (ROOT / readme).read_text(encoding="utf-8").split(heading, 1)[1].split("\n### ")[0].split("\n## ")[0]
    example = [block for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL) if "asyncio.run" in block][-1]
    assert "ws://localhost:8001/" in example
    address = server.http_url.removeprefix("http://")
    (tmp_path / "example.py").write_text(example.replace("localhost:8001", address), encoding="utf-8")
    shutil.copy(CLIP, tmp_path / "audio.wav")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout
