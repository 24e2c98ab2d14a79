"""vLLM in the server: from audio to events, many sessions at a time, and an engine that dies."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from tests.vllm.conftest import START_TIMEOUT_S
from tests.vllm.conversation import RESULT, conversation
from tests.vllm.health import health_becomes
from tests.vllm.processes import engine_of
from tests.vllm.results import assert_sound

from harness import english_clips, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.client.transcription import Mode, TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

SESSIONS = 32
NOTICE_TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def server(vllm_settings: Mapping[str, str]) -> Iterator[LocalServer]:
    with local_server(env=vllm_settings, start_timeout_s=START_TIMEOUT_S) as running:
        yield running


@pytest.mark.parametrize(("mode", "items"), [("vad", 2), ("manual", 1)])
async def test_audio_in_events_out(server: LocalServer, two_sentences: Samples, mode: Mode, items: int) -> None:
    result = await transcribe(server, two_sentences, TranscribeOptions(mode=mode, language="en", speed=2.0))
    assert_sound(result, items)
    assert {final.language for final in result.finals} == {"en"}


async def test_many_sessions_at_once(server: LocalServer) -> None:
    clips = [clip.samples[: 4 * SAMPLE_RATE] for clip in english_clips()]
    options = TranscribeOptions(mode="manual", language="en", speed=4.0)
    results = await asyncio.gather(
        *(transcribe(server, clips[number % len(clips)], options) for number in range(SESSIONS))
    )
    assert [len(result.finals) for result in results] == [1] * SESSIONS


async def test_an_engine_that_dies_takes_one_sentence_along(server: LocalServer, speech: Samples) -> None:
    async with conversation(server.url) as talk:
        await talk.say(speech[: 3 * SAMPLE_RATE])
        await talk.event(RESULT + "text")
        engine = engine_of(server.pid)
        assert engine is not None
        engine.kill()
        await health_becomes(server, "degraded", NOTICE_TIMEOUT_S)
        await talk.say(speech[3 * SAMPLE_RATE : 5 * SAMPLE_RATE])
        lost = await talk.commit()
        assert lost["type"] == RESULT + "failed"
        health = await health_becomes(server, "ok", START_TIMEOUT_S)
        assert health["engine_restarts"] == 1
        await talk.say(speech[: 3 * SAMPLE_RATE])
        heard = await talk.commit()
        assert heard["type"] == RESULT + "completed"
        await talk.finish()
