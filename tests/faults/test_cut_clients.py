"""A client is cut off, at every moment of a session. It sees nothing any more; the others notice nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.faults.watched import (
    COMMITTED,
    FINISHED,
    SILENCE,
    STARTED,
    STOPPED,
    TEXT,
    TROUBLE,
    assert_served,
    hang_up,
    hanging,
    reset,
    watched_server,
)
from tests.server.harness import Client, Server, eventually, reached
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.engines.scripted import Call, Reply, counted_words

MOMENTS = (
    "connected",
    "greeted",
    "update sent",
    "updated",
    "between two appends",
    "speech started",
    "partial seen",
    "speech stopped",
    "committed",
    "before the final",
    "finish sent",
    "finished",
)
CUTS = {"reset": reset, "hung up": hang_up}


def final_hangs(call: Call) -> Reply:
    return hanging(call) if call.final else counted_words(call)


async def in_vad_mode(client: Client, server: Server, speech: bytes) -> AsyncIterator[str]:
    """A session from moment to moment; its final hangs, if it is asked for before `finish sent`."""
    yield "connected"
    await client.until("session.created")
    yield "greeted"
    await client.send("session.update", session={"input_audio_transcription": TROUBLE})
    yield "update sent"
    await client.until("session.updated")
    yield "updated"
    half = len(speech) // 4 * 2
    await client.append(speech[:half])
    yield "between two appends"
    await client.until(STARTED)
    yield "speech started"
    await client.until(TEXT)
    yield "partial seen"
    await client.append(speech[half:] + SILENCE)
    await client.until(STOPPED)
    yield "speech stopped"
    await client.until(COMMITTED)
    yield "committed"
    await eventually(lambda: server.engine.calls[-1].final)
    yield "before the final"
    await client.send("session.finish")
    yield "finish sent"


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_in_vad_mode(go_forward: bytes, moment: str, cut: Callable[[Client], None]) -> None:
    async with (
        watched_server(counted_words if moment == "finished" else final_hangs) as server,
        server.session() as other,
    ):
        async with server.connect() as client:
            async for reached in in_vad_mode(client, server, go_forward):
                if reached == moment:
                    break
            else:
                await client.until(FINISHED)
            cut(client)
            await eventually(lambda: len(server.service.connections) == 1)
        await assert_served(other, go_forward)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("committed", [False, True])
async def test_in_manual_mode(go_forward: bytes, committed: bool, cut: Callable[[Client], None]) -> None:
    configuration = {"turn_detection": None, "input_audio_transcription": TROUBLE}
    async with watched_server(hanging) as server, server.session() as other:
        async with server.session(**configuration) as client:
            await client.append(go_forward)
            if committed:
                await client.send("input_audio_buffer.commit")
            await eventually(lambda: bool(server.engine.calls))
            cut(client)
            await eventually(lambda: len(server.service.connections) == 1)
        await assert_served(other, go_forward)


async def test_in_the_middle_of_a_flood(go_forward: bytes) -> None:
    """The server has stopped reading, so only what it writes can tell it that the client has gone."""
    limits = {"max_backlog_sec": 5.0, "max_frame_mib": 1, "decode_timeout_sec": 1.0}
    async with watched_server(hanging, **limits) as server, server.session() as other:
        async with server.session(input_audio_transcription=TROUBLE) as client:

            async def flood() -> None:
                for _ in range(200):
                    await client.append(go_forward * 4)

            flooding = asyncio.create_task(flood())
            await eventually(lambda: reached(server, "MAX_BACKLOG_SEC") > 0 and server.is_holding_back(client))
            reset(client)
            with pytest.raises(ConnectionClosed):
                await flooding
            await eventually(lambda: len(server.service.connections) == 1)
        await assert_served(other, go_forward)
