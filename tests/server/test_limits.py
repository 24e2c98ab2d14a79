"""Limits of a session: each does what it says, is counted, and leaves others alone. More are in test_realtime.py."""

import asyncio
import contextlib

import pytest
from tests.server.harness import eventually, reached, running_server
from tests.server.test_realtime import COMPLETED, MANUAL, assert_heard
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.server.inbox import Notice

CLIP_S = 2.8


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_an_old_session_ends_after_its_open_items(go_forward: bytes) -> None:
    async with running_server() as server, server.session(**MANUAL) as client:
        await client.append(go_forward)
        await eventually(lambda: bool(server.engine.calls))
        server.tell(Notice.OLD_AGE)
        assert_heard(await client.until(COMPLETED))
        assert await client.closed() == (1000, "session time limit")
        assert reached(server, "MAX_SESSION_SEC") == 1


async def test_an_old_session_is_not_kept_by_a_client_that_goes_on_sending(go_forward: bytes) -> None:
    async with running_server(max_session_sec=0.3) as server, server.session() as client:

        async def keep_sending() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await client.append(bytes(3200))
                    await asyncio.sleep(0.02)

        sending = asyncio.create_task(keep_sending())
        assert (await client.closed())[0] == 1000
        await sending
        await eventually(lambda: not server.service.connections)


async def test_a_silent_client_is_counted() -> None:
    async with running_server(idle_timeout_sec=0.1) as server, server.session() as client:
        assert await client.closed() == (1000, "idle timeout")
        assert reached(server, "IDLE_TIMEOUT_SEC") == 1


async def test_a_frame_too_big_is_counted() -> None:
    async with running_server(max_frame_mib=1) as server, server.session() as client:
        await client.append(bytes(1024 * 1024))
        assert (await client.closed())[0] == 1009
        await eventually(lambda: not server.service.connections)
        assert reached(server, "MAX_FRAME_MIB") == 1


@pytest.mark.parametrize("chunk_bytes", [3200, 1_000_000])
async def test_audio_ahead_of_real_time_is_held_back_and_none_is_lost(go_forward: bytes, chunk_bytes: int) -> None:
    async with running_server(max_audio_ahead_sec=1.0) as server, server.session() as client:
        began_s = now_s()
        for first in range(0, len(go_forward), chunk_bytes):
            await client.append(go_forward[first : first + chunk_bytes])
        assert_heard(await client.finish())
        assert now_s() - began_s > CLIP_S - 1.0 - 0.1
        assert reached(server, "MAX_AUDIO_AHEAD_SEC") == 1


async def test_by_default_a_file_is_taken_as_fast_as_it_comes(go_forward: bytes) -> None:
    async with running_server() as server, server.session() as client:
        for first in range(0, len(go_forward), 640):  # 20 ms each, as SDKs cut it
            await client.append(go_forward[first : first + 640])
        assert_heard(await client.finish())
        assert not reached(server, "MAX_AUDIO_AHEAD_SEC")
        assert not reached(server, "MAX_MESSAGES_PER_SEC")


async def test_events_that_come_too_fast_are_held_back_and_none_is_lost(go_forward: bytes) -> None:
    async with running_server(max_messages_per_sec=100) as server, server.session() as client:
        began_s = now_s()
        for _ in range(50):
            await client.send("session.update", session={})
        updates = [event for event in await client.finish() if event["type"] == "session.updated"]
        assert len(updates) == 50
        assert now_s() - began_s > (50 - 10) / 100 - 0.1
        assert reached(server, "MAX_MESSAGES_PER_SEC") == 1


async def test_a_message_in_pieces_is_no_larger_than_one_in_one_piece() -> None:
    async with running_server(max_frame_mib=1) as server, server.session() as client:
        with contextlib.suppress(ConnectionClosed):
            await client.socket.send("x" * 100_000 for _ in range(20))
        assert (await client.closed())[0] == 1009


async def test_compression_is_not_agreed_on() -> None:
    """Some kilobytes of it may be gigabytes of zeros."""
    async with running_server() as server, server.connect(compression="deflate") as client:
        assert client.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in client.socket.response.headers


async def test_a_client_that_does_not_read_is_counted() -> None:
    corpus = {"text": "x" * 1_000_000}
    async with (
        running_server(max_unsent_events=10) as server,
        server.session(input_audio_transcription={"corpus": corpus}) as client,
    ):
        client.socket.transport.pause_reading()
        for _ in range(40):
            await client.send("session.update", session={})
        await eventually(lambda: not server.service.connections)
        assert reached(server, "MAX_UNSENT_EVENTS") == 1
