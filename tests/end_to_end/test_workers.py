"""Several workers behind one port: processes, as `SERVER_WORKERS` starts them."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from tests.end_to_end.stopping import COMPLETED, SHUTDOWN, STARTED, assert_port_free, exit_status, session
from tests.server.harness import Client, eventually
from websockets.asyncio.client import connect

from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.engines.vllm.local.guardian import ProcessIdentity

KEY = {"Authorization": "Bearer sk-1"}


@dataclass
class Workers:
    """Two workers and their log."""

    server: LocalServer
    log_path: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        text = self.log_path.read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line["event"] == event]

    @property
    def pids(self) -> list[int]:
        """Of all workers that there ever were, in the order in which they were ready."""
        return [line["pid"] for line in self.lines("worker ready")]

    async def ready(self) -> httpx.Response:
        """As a balancer asks, by a connection of its own."""
        async with httpx.AsyncClient() as client:
            return await client.get(f"{self.server.http_url}/ready")


@contextlib.asynccontextmanager
async def two_workers(tmp_path: Path, **env: str) -> AsyncIterator[Workers]:
    settings = {"ASR_ENGINE": "scripted", "SERVER_WORKERS": "2", "TMPDIR": str(tmp_path), **env}
    with local_server(env=settings, log_path=tmp_path / "log") as server:
        workers = Workers(server, tmp_path / "log")
        await eventually(lambda: len(workers.pids) == 2, within_s=30)
        yield workers


def measured(tmp_path: Path, name: str) -> float:
    """A counter, as each worker shows it: summed over all there were and all its labels."""
    registry = CollectorRegistry()
    [folder] = metrics_folders(tmp_path)
    MultiProcessCollector(registry, folder)
    return sum(sample.value for metric in registry.collect() for sample in metric.samples if sample.name == name)


def metrics_folders(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("qwen3-asr-metrics-*"))


async def refusal(server: LocalServer, **headers: str) -> tuple[str, int]:
    """Code of the error and of the close that one more session meets."""
    async with connect(server.url, additional_headers=headers) as socket:
        client = Client(socket)
        error = await client.receive()
        assert error["type"] == "error", error
        return error["error"]["code"], (await client.closed())[0]


async def test_sessions_spread_and_limits_hold_over_all(tmp_path: Path) -> None:
    async with two_workers(tmp_path, MAX_SESSIONS="10", MAX_SESSIONS_PER_KEY="3") as workers:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(session(workers.server, KEY))
            assert await refusal(workers.server, **KEY) == ("rate_limit_exceeded", 1013)
            await asyncio.gather(*(stack.enter_async_context(session(workers.server)) for _ in range(7)))
            assert Counter(line["worker"] for line in workers.lines("session opened")) == {0: 5, 1: 5}
            assert await refusal(workers.server) == ("rate_limit_exceeded", 1013)
            assert measured(tmp_path, "qwen3_asr_sessions_refused_total") == 2
            answers = [await workers.ready() for _ in range(4)]
            assert {(answer.status_code, answer.json()["reason"]) for answer in answers} == {
                (503, "MAX_SESSIONS is reached")
            }
        # All have left: there is room for as many again.
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(session(workers.server, KEY))


async def test_whichever_worker_answers_tells_of_all(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as workers, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(session(workers.server))
        assert {line["worker"] for line in workers.lines("session opened")} == {0, 1}
        for _ in range(4):
            async with httpx.AsyncClient(base_url=workers.server.http_url) as client:
                metrics, stats = await client.get("/metrics"), await client.get("/stats")
            assert "\nqwen3_asr_sessions_active 4.0\n" in metrics.text
            assert "\nqwen3_asr_sessions_opened_total 4.0\n" in metrics.text
            assert '\nqwen3_asr_limit{limit="MAX_SESSIONS"} 256.0\n' in metrics.text
            assert (stats.json()["sessions"]["active"], stats.json()["sessions"]["opened"]) == (4, 4)


async def test_a_worker_that_dies_takes_its_own_sessions_only_and_is_replaced(
    tmp_path: Path, go_forward: bytes
) -> None:
    async with two_workers(tmp_path, MAX_SESSIONS="4") as workers, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(session(workers.server)) for _ in range(4)]
        os.kill(workers.pids[0], signal.SIGKILL)
        await eventually(lambda: sum(client.socket.close_code is not None for client in clients) == 2)
        lost = [client for client in clients if client.socket.close_code is not None]
        kept = [client for client in clients if client not in lost]
        assert [client.socket.close_code for client in lost] == [1006, 1006]
        for client in kept:
            await client.append(go_forward)
            assert (await client.finish())[-1]["type"] == "session.finished"
        await eventually(lambda: len(workers.pids) == 3, within_s=30)
        [death] = workers.lines("worker died")
        assert death["status"] == -signal.SIGKILL
        assert measured(tmp_path, "qwen3_asr_worker_restarts_total") == 1
        for client in kept:
            await client.socket.close()
        await eventually(lambda: len(workers.lines("session closed")) == 2)
        for _ in range(4):
            await stack.enter_async_context(session(workers.server))
        assert await refusal(workers.server) == ("rate_limit_exceeded", 1013)
        opened = Counter(line["worker"] for line in workers.lines("session opened")[4:])
        assert opened == {0: 2, 1: 2}


async def test_sigterm_drains_all(tmp_path: Path, go_forward: bytes) -> None:
    async with two_workers(tmp_path) as workers, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(session(workers.server)) for _ in range(4)]
        for client in clients:
            await client.append(go_forward[: len(go_forward) // 4 * 2])
            await client.until(STARTED)
        os.kill(workers.server.pid, signal.SIGTERM)
        await eventually(lambda: len(workers.lines("draining")) == 2)
        assert (await workers.ready()).json() == {"ready": False, "reason": "draining"}
        for client in clients:
            await client.append(go_forward[len(go_forward) // 4 * 2 :] + bytes(2 * 16_000))
        for client in clients:
            await client.until(COMPLETED)
            assert await client.closed() == SHUTDOWN
        assert exit_status(workers.server.pid, 10) == 0
        assert_port_free(workers.server)
        assert [ProcessIdentity.of(pid) for pid in workers.pids] == [None, None]
        assert metrics_folders(tmp_path) == []


async def test_a_parent_that_is_killed_leaves_nothing_behind(tmp_path: Path, go_forward: bytes) -> None:
    async with two_workers(tmp_path) as workers, session(workers.server) as client:
        await client.append(go_forward[: len(go_forward) // 4 * 2])
        await client.until(STARTED)
        os.kill(workers.server.pid, signal.SIGKILL)
        await eventually(lambda: len(workers.lines("draining")) == 2)
        assert_port_free(workers.server)  # a successor can start while who speaks comes to an end
        await client.append(go_forward[len(go_forward) // 4 * 2 :] + bytes(2 * 16_000))
        await client.until(COMPLETED)
        assert await client.closed() == SHUTDOWN
        await eventually(lambda: not any(map(ProcessIdentity.of, workers.pids)))
        assert metrics_folders(tmp_path) == []


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"ASR_ENGINE": "vllm"}, ["SERVER_WORKERS=2", "vllm-remote"]),
        ({"ASR_ENGINE": "vllm-remote", "VLLM_ENDPOINTS": "http://127.0.0.1:9"}, ["http://127.0.0.1:9"]),
    ],
)
def test_what_keeps_workers_from_starting_is_one_line(env: dict[str, str], words: list[str]) -> None:
    command = [sys.executable, "-m", "qwen3_asr_realtime", "serve"]
    settings = {**os.environ, "SERVER_WORKERS": "2", "SERVER_PORT": "0", **env}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words)
