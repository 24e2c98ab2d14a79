"""A server on the loopback interface that plays a script, one coroutine per connection."""

import json
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

PATH = "/api-ws/v1/realtime"


class Peer:
    """The server's end of a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.request = connection.request
        self.received = []

    async def send(self, event_type, **fields):
        await self.connection.send(json.dumps({"event_id": "event_x", "type": event_type, **fields}))

    async def until(self, event_type):
        """Read until an event of this type comes, and return it."""
        while True:
            event = json.loads(await self.connection.recv())
            self.received.append(event)
            if event["type"] == event_type:
                return event

    async def set_up(self):
        """Play the opening and return the client's `session` object."""
        await self.send("session.created", session={"id": "sess_1"})
        update = await self.until("session.update")
        await self.send("session.updated", session={"id": "sess_1"})
        return update["session"]

    async def until_closed(self):
        async for frame in self.connection:
            self.received.append(json.loads(frame))

    def types(self):
        """The types of the events received, repetitions left out."""
        types = [event["type"] for event in self.received]
        return [kind for index, kind in enumerate(types) if types[index - 1 : index] != [kind]]


class ScriptedServer:
    def __init__(self, script, process_request):
        self.peers = []
        self._script = script
        self._process_request = process_request
        self._broken = []

    async def _play(self, connection):
        peer = Peer(connection)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except ConnectionClosed:
            pass
        except Exception as error:
            self._broken.append(error)
            raise

    @asynccontextmanager
    async def running(self):
        options = {"process_request": self._process_request, "max_size": 2**24, "ping_interval": None}
        async with serve(self._play, "127.0.0.1", 0, **options) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
            yield self
        if self._broken:
            raise self._broken[0]


@pytest.fixture
def scripted_server():
    """`async with scripted_server(script) as server`: `server.url` to connect to, `server.peers` to look at."""

    def start(script, process_request=None):
        return ScriptedServer(script, process_request).running()

    return start


@pytest.fixture
def dead_url(unused_tcp_port):
    """An address where nobody listens."""
    return f"ws://127.0.0.1:{unused_tcp_port}{PATH}"
