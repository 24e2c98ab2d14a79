"""Servers to put under load: one with an engine that invents words, and one that is a script."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.client.local_server import local_server


@pytest.fixture(scope="session")
def server():
    """The real server, but for its engine."""
    with local_server(env={"ASR_ENGINE": "scripted"}) as running:
        yield running


@pytest.fixture
def listener():
    """`async with listener() as (url, heard)`: a server that answers nothing; `heard` is set once it gets audio."""

    @asynccontextmanager
    async def listening():
        heard = asyncio.Event()

        async def listen(connection):
            try:
                async for frame in connection:
                    event = json.loads(frame)
                    if event["type"] == "session.update":
                        await connection.send(json.dumps({"type": "session.updated"}))
                    elif event["type"] == "input_audio_buffer.append":
                        heard.set()
            except ConnectionClosed:
                pass

        async with serve(listen, "127.0.0.1", 0) as running:
            yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}", heard

    return listening
