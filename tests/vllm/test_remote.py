"""vLLM in servers of its own, with our template: from audio to events, and one of two servers that dies."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import as_file, files
from pathlib import Path

import httpx
import psutil
import pytest
from tests.vllm.conftest import ENGINE_ARGS, START_TIMEOUT_S
from tests.vllm.health import health_becomes
from tests.vllm.processes import processes_of
from tests.vllm.results import assert_sound

from harness import transcribe
from qwen3_asr_realtime.client.local_server import LocalServer, local_server, reserved_port
from qwen3_asr_realtime.client.transcription import Mode, TranscribeOptions
from qwen3_asr_realtime.samples import Samples

POLL_S = 0.2
SESSIONS = 8


@dataclass(frozen=True)
class Upstream:
    """One `vllm serve`."""

    url: str
    process: subprocess.Popen[bytes]

    def is_ready(self) -> bool:
        assert self.process.poll() is None, "vllm serve has ended"
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End it at once, with its engine."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in processes_of(self.process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait()


def start_upstream(checkpoint: Path, template: Path, port: int) -> Upstream:
    options = {
        "host": "127.0.0.1",
        "port": port,
        "dtype": "float32",
        "max-model-len": 8192,
        "max-num-seqs": 32,
        "block-size": ENGINE_ARGS["block_size"],
        "limit-mm-per-prompt": json.dumps({"audio": 9}),
        "scheduling-policy": "priority",
        "chat-template": template,
    }
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(checkpoint)]
    command += [f"--{name}={value}" for name, value in options.items()]
    command += ["--enforce-eager", "--skip-mm-profiling", "--enable-prompt-tokens-details"]
    return Upstream(f"http://127.0.0.1:{port}", subprocess.Popen(command, process_group=0))


@pytest.fixture(scope="module")
def upstreams(checkpoint: Path) -> Iterator[Sequence[Upstream]]:
    """Two of them, started side by side."""
    template = files("qwen3_asr_realtime.engines.vllm.remote") / "chat_template.jinja"
    with as_file(template) as path, contextlib.ExitStack() as started:
        servers = []
        for _ in range(2):
            servers.append(start_upstream(checkpoint, path, started.enter_context(reserved_port())))
            started.callback(servers[-1].kill)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not all(server.is_ready() for server in servers):
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)
        yield servers


@pytest.fixture(scope="module")
def server(upstreams: Sequence[Upstream]) -> Iterator[LocalServer]:
    settings = {
        "ASR_ENGINE": "vllm-remote",
        "VLLM_ENDPOINTS": ",".join(upstream.url for upstream in upstreams),
        "VLLM_PROBE_INTERVAL_SEC": "0.5",
    }
    with local_server(env=settings, start_timeout_s=START_TIMEOUT_S) as running:
        yield running


@pytest.mark.parametrize(("mode", "items"), [("vad", 2), ("manual", 1)])
async def test_audio_in_events_out(server: LocalServer, two_sentences: Samples, mode: Mode, items: int) -> None:
    result = await transcribe(server, two_sentences, TranscribeOptions(mode=mode, language="en", speed=2.0))
    assert_sound(result, items)
    assert {final.language for final in result.finals} == {"en"}


async def test_nothing_is_lost_with_one_of_two(
    server: LocalServer, upstreams: Sequence[Upstream], two_sentences: Samples
) -> None:
    health = await health_becomes(server, "ok", START_TIMEOUT_S)
    assert health["engine"] == "vllm-remote"
    options = TranscribeOptions(mode="manual", language="en", speed=1.0)
    sessions = asyncio.gather(*(transcribe(server, two_sentences, options) for _ in range(SESSIONS)))
    await asyncio.sleep(3)
    upstreams[0].kill()
    results = await sessions
    for result in results:
        assert_sound(result, 1)
    await health_becomes(server, "degraded", 10)
