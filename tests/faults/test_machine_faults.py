"""The machine fails: the disk of the logs, the clock, memory, file descriptors. Whoever is being served stays so."""

import asyncio
import itertools
import json
import os
import signal
import time
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import psutil
import pytest
from tests.end_to_end.stopping import session
from tests.faults.watched import assert_served, watched_server
from tests.faults.wire import raw
from tests.server.harness import Client, eventually
from websockets.asyncio.client import connect

from qwen3_asr_realtime.client.local_server import SERVE_COMMAND, LocalServer, local_server

SCRIPTED = {"ASR_ENGINE": "scripted"}


def ready(server: LocalServer) -> str:
    """Why it is not, or nothing."""
    try:
        urllib.request.urlopen(f"{server.http_url}/ready", timeout=5).close()
    except urllib.error.HTTPError as refusal:
        with refusal:
            reason: str = json.load(refusal)["reason"]
        return reason
    return ""


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(true)"], ids=["full", "closed", "reader gone"])
async def test_logs_that_cannot_be_written(go_forward: bytes, redirection: str) -> None:
    """Lines are lost, and nothing else; the server also ends in good order."""
    command = ("bash", "-c", f'exec "$@" {redirection}', "bash", *SERVE_COMMAND)
    with local_server(env={**SCRIPTED, "LOG_LEVEL": "debug"}, command=command) as server:
        for _ in range(3):
            async with session(server) as client:
                await assert_served(client, go_forward)
        os.kill(server.pid, signal.SIGTERM)
        _, status = await asyncio.to_thread(os.waitpid, server.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_a_wall_clock_that_jumps(go_forward: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days forth and years back, at every look. Nothing that is timed takes its time from there."""
    right, jumps = time.time, itertools.cycle([0, 86_400, -10 * 365 * 86_400])
    monkeypatch.setattr(time, "time", lambda: right() + next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int((right() + next(jumps)) * 1e9))
    async with watched_server(idle_timeout_sec=5.0, trace_events=True) as server, server.session() as client:
        await client.append(go_forward)
        events = await client.finish()
        [trace] = [event["x_trace"] for event in events if "x_trace" in event]
        assert all(0 <= part < 10_000 for part in trace.values() if isinstance(part, int | float))
        assert 0 <= time.monotonic() - server.service.started_at_s < 10


async def test_no_memory_for_new_sessions_is_no_harm_to_the_others(go_forward: bytes) -> None:
    """Large frames that do not end fill the memory; new sessions are refused until they have gone."""
    with local_server(env=SCRIPTED) as server:
        async with session(server) as client:
            await assert_served(client, go_forward)
        usual_mib = psutil.Process(server.pid).memory_info().rss / 2**20
    env = {**SCRIPTED, "MAX_MEMORY_MIB": str(int(usual_mib) + 40)}
    with local_server(env=env) as server:
        port = urlsplit(server.url).port
        async with session(server) as other:
            async with AsyncExitStack() as hogs:
                for _ in range(6):
                    hog = await hogs.enter_async_context(raw(port))
                    await hog.upgrade()
                    await hog.send(b"\x81\xff" + (15 * 2**20).to_bytes(8) + b"...." + bytes(14 * 2**20))
                await eventually(lambda: ready(server) == "MAX_MEMORY_MIB is reached")
                async with connect(server.url) as socket:
                    refused = Client(socket)
                    assert (await refused.receive())["error"]["code"] == "rate_limit_exceeded"
                    assert (await refused.closed())[0] == 1013
                await assert_served(other, go_forward)
            await eventually(lambda: ready(server) == "")
        async with session(server) as client:
            await assert_served(client, go_forward)


async def test_no_file_descriptors_for_new_connections_is_no_harm_to_the_others(go_forward: bytes) -> None:
    command = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash", *SERVE_COMMAND)
    with local_server(env={**SCRIPTED, "REQUEST_TIMEOUT_SEC": "2"}, command=command) as server:
        async with session(server) as other:
            async with AsyncExitStack() as idle:
                for _ in range(100):
                    await idle.enter_async_context(raw(urlsplit(server.url).port))
                await eventually(lambda: psutil.Process(server.pid).num_fds() >= 63)
                await assert_served(other, go_forward)
            # Until the server has closed them, whoever connects is accepted and dropped.
            await eventually(lambda: psutil.Process(server.pid).num_fds() < 60)
            async with session(server) as client:
                await assert_served(client, go_forward)
