"""How sessions end when the server is stopped."""

import asyncio
import json
import math

import httpx
import pytest
import structlog
from tests.server.harness import Client, Server, eventually, running_server

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine
from qwen3_asr_realtime.server import drain as module

MANUAL = {"turn_detection": None}
STARTED = "input_audio_buffer.speech_started"
COMPLETED = "conversation.item.input_audio_transcription.completed"
SILENCE = bytes(2 * 16_000)
SHUTDOWN = (1001, "server shutdown")
FOREVER_S = 60


def drained(server: Server, timeout_s: float = FOREVER_S) -> asyncio.Task[int]:
    return asyncio.create_task(server.service.drain.run(timeout_s))


async def speak(client: Client, speech: bytes) -> None:
    """Be in mid-speech, and know that the server knows."""
    await client.append(speech[: len(speech) // 4 * 2])
    await client.until(STARTED)


async def test_without_sessions_it_is_done_at_once() -> None:
    async with running_server() as server:
        assert await drained(server) == 0


async def test_a_quiet_session_is_closed_at_once(go_forward: bytes) -> None:
    async with running_server() as server, server.session() as client, server.session(**MANUAL) as other:
        await client.append(SILENCE)
        await other.append(go_forward)
        await other.send("input_audio_buffer.commit")
        await other.until(COMPLETED)

        assert await drained(server) == 0
        assert await client.closed() == await other.closed() == SHUTDOWN


async def test_who_speaks_may_finish_the_sentence(go_forward: bytes) -> None:
    async with running_server() as server, server.session() as client:
        await speak(client, go_forward)
        drain = drained(server)
        await eventually(lambda: server.service.drain.begun)

        await client.append(go_forward[len(go_forward) // 4 * 2 :] + SILENCE)

        assert (await client.until(COMPLETED))[-1]["transcript"].startswith("w1 w2 w3 w4")
        assert await client.closed() == SHUTDOWN
        assert await drain == 0


async def test_what_was_sent_before_is_heard_first(go_forward: bytes) -> None:
    """Three sentences in one piece, faster than anything recognises them: none is lost."""
    async with running_server() as server, server.session() as client:
        await client.append((go_forward + SILENCE) * 3)
        await client.until(STARTED)
        drain = drained(server)

        for _ in range(3):
            await client.until(COMPLETED)
        assert await client.closed() == SHUTDOWN
        assert await drain == 0


async def test_in_manual_mode_the_commit_is_waited_for(go_forward: bytes) -> None:
    async with running_server() as server, server.session(**MANUAL) as client:
        await client.append(go_forward)
        await client.receive()
        drain = drained(server)
        await eventually(lambda: server.service.drain.begun)

        await client.send("input_audio_buffer.commit")

        await client.until(COMPLETED)
        assert await client.closed() == SHUTDOWN
        assert await drain == 0


async def test_who_speaks_on_and_on_is_cut_and_gets_the_final(go_forward: bytes) -> None:
    async with running_server() as server, server.session() as client, server.session(**MANUAL) as other:
        await speak(client, go_forward)
        await other.append(go_forward)
        await other.receive()

        told: list[int] = []
        assert await server.service.drain.run(0, told.append) == 2
        assert told == [2]
        for cut in (client, other):
            assert (await cut.until(COMPLETED))[-1]["transcript"].startswith("w1")
            assert await cut.closed() == SHUTDOWN


async def test_audio_that_is_held_back_is_worked_off_at_once(go_forward: bytes) -> None:
    """At the speed of speech, three sentences would keep the server for nine seconds more."""
    async with running_server(max_audio_ahead_sec=2) as server, server.session() as client:
        await client.append((go_forward + SILENCE) * 3)
        await client.until(STARTED)
        began_s = asyncio.get_running_loop().time()
        drain = drained(server)

        for _ in range(3):
            await client.until(COMPLETED)
        assert await client.closed() == SHUTDOWN
        assert await drain == 0
        assert asyncio.get_running_loop().time() - began_s < 5


async def test_a_cut_drops_what_waits_for_the_engine(go_forward: bytes) -> None:
    engine = ScriptedEngine(lambda call: Reply(Hypothesis("late"), latency_s=math.inf))
    async with (
        running_server(engine, max_backlog_sec=1, decode_timeout_sec=1) as server,
        server.session() as client,
    ):
        for _ in range(10):
            await client.append(go_forward + SILENCE)
        reached = server.service.metrics.limits_reached.labels("MAX_BACKLOG_SEC")._value
        await eventually(lambda: reached.get() > 0)

        drain = drained(server, timeout_s=0)
        await eventually(lambda: len(server.service.drain._told) == 2)
        engine.script = ScriptedEngine().script

        async with asyncio.timeout(10):
            events = [json.loads(frame) async for frame in client.socket]
        assert await client.closed() == SHUTDOWN
        assert await drain == 1
        opened, ended = ([event["type"] for event in events].count(type_) for type_ in (STARTED, COMPLETED))
        assert 0 < opened < 5
        assert ended == opened


async def test_who_finishes_gets_the_answer_and_the_time_to_close(go_forward: bytes) -> None:
    async with running_server() as server, server.session() as client:
        await speak(client, go_forward)
        drain = drained(server)
        await eventually(lambda: server.service.drain.begun)

        events = await client.finish()
        assert [event["type"] for event in events[-2:]] == [COMPLETED, "session.finished"]
        await client.socket.close()
        assert await drain == 0


async def test_results_that_do_not_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, go_forward: bytes) -> None:
    monkeypatch.setattr(module, "RESULTS_TIMEOUT_S", 0.05)
    engine = ScriptedEngine(lambda call: Reply(Hypothesis("never"), latency_s=math.inf))
    async with running_server(engine) as server, server.session() as client:
        await speak(client, go_forward)

        with structlog.testing.capture_logs() as lines:
            assert await drained(server, timeout_s=0) == 1
        assert len(server.service.connections) == 1
        [end] = [line for line in lines if line["event"] == "drained"]
        assert (end["log_level"], end["left"]) == ("warning", 1)


async def test_meanwhile_nobody_new_is_admitted(go_forward: bytes) -> None:
    async with (
        running_server() as server,
        server.session() as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        await speak(client, go_forward)
        drain = drained(server)
        await eventually(lambda: server.service.drain.begun)

        ready = await http.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "reason": "draining"})
        assert ready.headers["Retry-After"] == "5"
        assert (await http.get("/health")).status_code == 200
        async with server.connect() as late:
            error = (await late.receive())["error"]
            assert (error["type"], error["code"]) == ("server_error", "server_shutting_down")
            assert await late.closed() == (1013, "server_shutting_down")
        assert server.service.metrics.sessions_refused.labels("draining")._value.get() == 1

        await client.finish()
        await client.socket.close()
        assert await drain == 0
