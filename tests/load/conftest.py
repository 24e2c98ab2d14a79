"""Servers to put under load: one with an engine that invents words, and one that is a script."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.scripted_server import scripted_server

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

        async def listen(peer):
            while True:
                match (await peer.receive())["type"]:
                    case "session.update":
                        await peer.send("session.updated")
                    case "input_audio_buffer.append":
                        heard.set()

        async with scripted_server(listen) as url:
            yield url, heard

    return listening
