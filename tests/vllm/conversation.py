"""A client in Manual mode that says one sentence after the other and waits for each."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pybase64

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

CHUNK_SAMPLES = SAMPLE_RATE // 10
RESULT = "conversation.item.input_audio_transcription."


class Conversation:
    """An open session."""

    def __init__(self, client: RealtimeClient) -> None:
        self._client = client

    async def say(self, audio: Samples) -> None:
        """Append audio."""
        for start in range(0, len(audio), CHUNK_SAMPLES):
            chunk = pcm16_bytes(audio[start : start + CHUNK_SAMPLES])
            await self._client.send("input_audio_buffer.append", audio=pybase64.b64encode(chunk).decode())

    async def commit(self) -> Mapping[str, Any]:
        """End the sentence; the event that tells what became of it."""
        await self._client.send("input_audio_buffer.commit")
        return await self.event(RESULT + "completed", RESULT + "failed")

    async def finish(self) -> None:
        """End the session in good order."""
        await self._client.send("session.finish")
        await self.event("session.finished")

    async def event(self, *types: str) -> Mapping[str, Any]:
        """The next event of one of these types; those before it are passed over."""
        async for event in self._client:
            if event["type"] in types:
                return event
        raise AssertionError(f"the session ended without {types}")


@asynccontextmanager
async def conversation(url: str) -> AsyncIterator[Conversation]:
    """A session in Manual mode."""
    async with RealtimeClient(url) as client:
        session = {"turn_detection": None, "input_audio_transcription": {"language": "en"}}
        await client.send("session.update", session=session)
        talk = Conversation(client)
        await talk.event("session.updated")
        yield talk
