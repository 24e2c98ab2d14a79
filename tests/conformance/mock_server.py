"""A scripted server whose first words are as the protocol has them."""

import base64
from contextlib import asynccontextmanager

from tests.scripted_server import Peer, scripted_server

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


class MockPeer(Peer):
    """The server's end of a connection of the suite."""

    async def greet(self):
        await self.send("session.created", session=SESSION)

    async def audio(self):
        """The bytes of every append before the commit."""
        return [
            base64.b64decode(event["audio"] + "===") for event in (await self.until("input_audio_buffer.commit"))[:-1]
        ]


@asynccontextmanager
async def mock_server(script, **options):
    """`async with mock_server(script) as target`."""
    async with scripted_server(script, MockPeer, **{"close_timeout": 1, **options}) as url:
        yield Target(url)
