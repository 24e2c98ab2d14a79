"""Stopping a real server, process and all, while people speak."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.end_to_end.stopping import COMPLETED, SHUTDOWN, STARTED, assert_port_free, exit_status, session
from tests.server.harness import Client, Event, eventually
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.server.signals import REPEAT_S

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "speech"
TEXT = "conversation.item.input_audio_transcription.text"
SCRIPTED = {"ASR_ENGINE": "scripted"}


def stoppable(tmp_path: Path, **env: str) -> contextlib.AbstractContextManager[LocalServer]:
    return local_server(env=env, log_path=tmp_path / "log")


def assert_no_errors(tmp_path: Path) -> None:
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert '"level": "error"' not in log
    assert "Traceback" not in log


async def speak(client: Client, pcm: bytes, speaking: asyncio.Event) -> tuple[list[Event], tuple[int, str]]:
    """Talk in real time until the server closes; what came, and how it closed."""
    events: list[Event] = []

    async def listen() -> None:
        with contextlib.suppress(ConnectionClosed):  # whose code is looked at below
            async for frame in client.socket:
                events.append(json.loads(frame))
                if events[-1]["type"] == STARTED:
                    speaking.set()

    listening = asyncio.create_task(listen())
    with contextlib.suppress(ConnectionClosed):
        for first in range(0, len(pcm), 3200):
            await client.append(pcm[first : first + 3200])
            await asyncio.sleep(0.1)
    async with asyncio.timeout(60):
        await listening
    return events, await client.closed()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_twenty_who_speak_get_their_finals(tmp_path: Path, workers: str) -> None:
    clips = [pcm16_bytes(read_samples(SPEECH / f"libri_{name}.wav")) for name in ("0870", "0880", "0890", "0920")]
    with stoppable(tmp_path, ASR_ENGINE="embedded", DRAIN_TIMEOUT_SEC="20", SERVER_WORKERS=workers) as server:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(session(server)) for _ in range(20)]
            speaking = [asyncio.Event() for _ in clients]
            talks = [
                asyncio.create_task(speak(client, clips[number % 4] + bytes(2 * 16_000 * 20), speaking[number]))
                for number, client in enumerate(clients)
            ]
            await asyncio.gather(*(event.wait() for event in speaking))
            os.kill(server.pid, signal.SIGTERM)
            results = await asyncio.gather(*talks)
        assert exit_status(server.pid, 5) == 0
        assert_port_free(server)
    for events, close in results:
        kinds = [event["type"] for event in events]
        assert "error" not in kinds
        assert kinds.count(STARTED) == kinds.count(COMPLETED) == 1
        assert events[-1]["transcript"]
        assert close == SHUTDOWN
    assert_no_errors(tmp_path)


async def test_a_second_signal_ends_it_at_once(tmp_path: Path, go_forward: bytes) -> None:
    with stoppable(tmp_path, **SCRIPTED) as server:
        async with session(server) as client:
            await client.append(go_forward[: len(go_forward) // 4 * 2])
            await client.until(STARTED)
            os.kill(server.pid, signal.SIGTERM)
            await eventually(lambda: '"event": "draining"' in (tmp_path / "log").read_text(encoding="utf-8"))
            await asyncio.sleep(REPEAT_S + 0.2)  # sooner, it would be the same signal
            await client.append(go_forward[: len(go_forward) // 4 * 2])
            await client.until(TEXT)
            os.kill(server.pid, signal.SIGTERM)
            assert await client.closed() == (1012, "")
        assert exit_status(server.pid, 5) == 0
    assert_no_errors(tmp_path)


async def test_a_client_that_never_reads_holds_nothing_up_for_long(tmp_path: Path, go_forward: bytes) -> None:
    with stoppable(tmp_path, **SCRIPTED, DRAIN_TIMEOUT_SEC="1", MAX_UNSENT_EVENTS="100000") as server:
        async with session(server) as client, session(server) as other:
            client.socket.transport.pause_reading()
            client.socket.transport.set_write_buffer_limits(10_000_000)
            for _ in range(20_000):  # answers of half a kB each: more than both sockets hold
                await client.send("session.update", session={})
            await other.append(go_forward[: len(go_forward) // 4 * 2])
            await other.until(STARTED)
            os.kill(server.pid, signal.SIGTERM)
            await other.until(COMPLETED)
            assert await other.closed() == SHUTDOWN
            assert exit_status(server.pid, 20) == 0
            client.socket.transport.abort()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_starting_gives_the_start_up(number: signal.Signals, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:  # for the engine to wait for
        env = {
            "ASR_ENGINE": "vllm-remote",
            "VLLM_ENDPOINTS": f"http://127.0.0.1:{other.getsockname()[1]}",
            "VLLM_REQUEST_TIMEOUT_SEC": "600",
            "SERVER_PORT": "0",
            "SERVER_WORKERS": workers,
        }
        command = [sys.executable, "-m", "qwen3_asr_realtime", "serve"]
        server = subprocess.Popen(
            command, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True, process_group=0
        )
        try:
            other.settimeout(30)
            asked, _ = other.accept()
            with asked:
                server.send_signal(number)
                _, log = server.communicate(timeout=10)
        finally:
            server.kill()
            server.wait()
    assert server.returncode == 0
    assert "stopped before it was ready" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("send", "status"),
    [
        # A terminal's Ctrl-C reaches both; make waits for the server, then ends by the signal as shells expect of it.
        (lambda make: os.killpg(make, signal.SIGINT), -signal.SIGINT),
        # make passes a SIGTERM on, and a supervisor that signals the group is heard twice.
        (lambda make: os.kill(make, signal.SIGTERM), -signal.SIGTERM),
        (lambda make: os.killpg(make, signal.SIGTERM), -signal.SIGTERM),
    ],
    ids=["ctrl-c", "sigterm", "sigterm of the group"],
)
def test_a_server_under_make_is_drained_too(tmp_path: Path, send: Callable[[int], None], status: int) -> None:
    (tmp_path / "Makefile").write_text(f"start:\n\texec {sys.executable} -m qwen3_asr_realtime serve\n")
    command = ["make", "--directory", str(tmp_path), "start"]
    with local_server(env=SCRIPTED, log_path=tmp_path / "log", command=command) as server:
        send(server.pid)  # that of make
        assert exit_status(server.pid, 10) == status
        assert_port_free(server)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert '"event": "drained"' in log
    assert "stopping at once" not in log
