"""A server on the loopback interface that plays a script, one coroutine per connection."""

import json
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

PATH = "/api-ws/v1/realtime"


class Peer:
    """The server's end of a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.request = connection.request
        self.received = []
        self._sent = 0

    async def send(self, event_type, **fields):
        self._sent += 1
        await self.connection.send(json.dumps({"event_id": f"event_{self._sent}", "type": event_type, **fields}))

    async def receive(self):
        self.received.append(json.loads(await self.connection.recv()))
        return self.received[-1]

    async def until(self, event_type):
        """Read until an event of this type comes; return it and all before."""
        events = [await self.receive()]
        while events[-1]["type"] != event_type:
            events.append(await self.receive())
        return events

    async def until_closed(self):
        async for _ in self.connection:
            pass


@asynccontextmanager
async def scripted_server(script, peer=Peer, **options):
    """`async with scripted_server(script) as url`; an exception in the script, other than a close, fails the test."""
    broken = []

    async def play(connection):
        try:
            await script(peer(connection))
        except ConnectionClosed:
            pass
        except Exception as error:
            broken.append(error)
            raise

    async with serve(play, "127.0.0.1", 0, max_size=2**25, ping_interval=None, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
    if broken:
        raise broken[0]
