"""A server on the loopback interface that plays a script, one coroutine per connection."""

import base64
import json
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.conformance.connection import Target

MODEL = "qwen3-asr-flash-realtime"
SESSION = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": MODEL,
    "modalities": ["text"],
    "input_audio_format": "pcm",
    "sample_rate": 16000,
    "input_audio_transcription": {"model": MODEL},
    "turn_detection": {"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 400},
}


class Peer:
    """The server's end of a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.request = connection.request
        self._sent = 0

    async def send(self, event_type, **fields):
        self._sent += 1
        await self.connection.send(json.dumps({"event_id": f"event_{self._sent}", "type": event_type, **fields}))

    async def greet(self):
        await self.send("session.created", session=SESSION)

    async def receive(self):
        return json.loads(await self.connection.recv())

    async def until(self, event_type):
        """Read until an event of this type comes; return it and all before."""
        events = [await self.receive()]
        while events[-1]["type"] != event_type:
            events.append(await self.receive())
        return events

    async def audio(self):
        """The bytes of every append before the commit."""
        return [
            base64.b64decode(event["audio"] + "===") for event in (await self.until("input_audio_buffer.commit"))[:-1]
        ]

    async def until_closed(self):
        async for _ in self.connection:
            pass


@asynccontextmanager
async def mock_server(script, **options):
    """`async with mock_server(script) as target`; an exception in the script, other than a close, fails the test."""
    broken = []

    async def play(connection):
        try:
            await script(Peer(connection))
        except ConnectionClosed:
            pass
        except Exception as error:
            broken.append(error)
            raise

    options = {"max_size": 2**25, "ping_interval": None, "close_timeout": 1, **options}
    async with serve(play, "127.0.0.1", 0, **options) as server:
        yield Target(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api-ws/v1/realtime")
    if broken:
        raise broken[0]
