import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from tests.scripted_server import PATH, Peer
from tests.scripted_server import scripted_server as run_script


class ClientsPeer(Peer):
    """The server's end of a connection of the client library."""

    async def set_up(self):
        """Play the opening and return the client's `session` object."""
        await self.send("session.created", session={"id": "sess_1"})
        *_, update = await self.until("session.update")
        await self.send("session.updated", session={"id": "sess_1"})
        return update["session"]

    async def until_closed(self):
        async for frame in self.connection:
            self.received.append(json.loads(frame))

    def types(self):
        """The types of the events received, repetitions left out."""
        types = [event["type"] for event in self.received]
        return [kind for index, kind in enumerate(types) if types[index - 1 : index] != [kind]]


@pytest.fixture
def scripted_server():
    """`async with scripted_server(script) as server`: `server.url` to connect to, `server.peers` to look at."""

    @asynccontextmanager
    async def start(script, process_request=None):
        peers = []

        async def play(peer):
            peers.append(peer)
            await script(peer)

        async with run_script(play, ClientsPeer, process_request=process_request) as url:
            yield SimpleNamespace(url=url, peers=peers)

    return start


@pytest.fixture
def dead_url(unused_tcp_port):
    """An address where nobody listens."""
    return f"ws://127.0.0.1:{unused_tcp_port}{PATH}"
