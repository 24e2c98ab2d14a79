"""Opus in both forms through the real server says what the same recordings say as PCM."""

import asyncio
import math
from collections.abc import Iterable

import numpy as np
import pybase64
import pytest
from tests.audio.opus_material import encoded, ogg

from harness import english_clips, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import Samples
from word_error_rate import word_error_rate

WORD_ERROR_DIFFERENCE = 0.02
ALIGNMENTS = (0, 104, 200)
"""Samples of silence before each clip. In VAD mode "ask not", cut off on its own, is heard now so and now so, as PCM
too, when the same sound comes a few milliseconds later; over several such shifts the codec is what is left to see."""

ODD_SIZES = (1, 333, 47, 2, 1999, 28, 7000)
SESSION_TIMEOUT_S = 60

CLIPS = english_clips()


async def heard(server: LocalServer, appends: Iterable[bytes], *, manual: bool, commit_after: int = 0) -> list[str]:
    """The finals of one session with `input_audio_format` "opus"."""
    finals = []
    async with asyncio.timeout(SESSION_TIMEOUT_S), RealtimeClient(server.url) as client:
        session = {"input_audio_format": "opus", "turn_detection": None if manual else {"type": "server_vad"}}
        await client.send("session.update", session=session)
        for count, data in enumerate(appends, 1):
            await client.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(data))
            if count == commit_after:
                await client.send("input_audio_buffer.commit")
        if manual:
            await client.send("input_audio_buffer.commit")
        await client.send("session.finish")
        async for event in client:
            match event["type"]:
                case "conversation.item.input_audio_transcription.completed":
                    finals.append(event["transcript"])
                case "session.updated":
                    assert event["session"]["input_audio_format"] == "opus"
                case "session.finished":
                    break
                case "error" | "conversation.item.input_audio_transcription.failed":
                    pytest.fail(str(event))
    return finals


def oddly_cut(data: bytes) -> list[bytes]:
    pieces = []
    while data:
        size = ODD_SIZES[len(pieces) % len(ODD_SIZES)]
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def in_ogg(samples: Samples) -> list[bytes]:
    return oddly_cut(ogg(samples, application="voip"))


def in_raw_packets(samples: Samples) -> list[bytes]:
    return encoded(samples, application="voip")


@pytest.mark.parametrize("manual", [False, True], ids=["vad", "manual"])
def test_opus_is_understood_like_pcm(server: LocalServer, manual: bool) -> None:
    options = TranscribeOptions(mode="manual" if manual else "vad", speed=math.inf)
    alignments = ALIGNMENTS[:1] if manual else ALIGNMENTS
    recordings = [np.pad(clip.samples, (shift, 0)) for shift in alignments for clip in CLIPS]
    spoken = [clip.transcript for clip in CLIPS] * len(alignments)

    async def error_rates() -> list[float]:
        pcm = [(await transcribe(server, samples, options)).text for samples in recordings]
        ogg_opus = [" ".join(await heard(server, in_ogg(samples), manual=manual)) for samples in recordings]
        packets = [" ".join(await heard(server, in_raw_packets(samples), manual=manual)) for samples in recordings]
        return [word_error_rate(spoken, texts) for texts in (pcm, ogg_opus, packets)]

    of_pcm, of_ogg, of_packets = asyncio.run(error_rates())
    assert of_ogg <= of_pcm + WORD_ERROR_DIFFERENCE
    assert of_packets <= of_pcm + WORD_ERROR_DIFFERENCE


def test_an_encoder_that_runs_on_over_a_commit_is_heard_to_the_end(server: LocalServer) -> None:
    clip = next(clip for clip in CLIPS if clip.name == "jfk.wav")
    appends = oddly_cut(ogg(clip.samples))
    finals = asyncio.run(heard(server, appends, manual=True, commit_after=len(appends) // 2))
    assert len(finals) == 2
    assert all(finals)
    assert word_error_rate([clip.transcript], [" ".join(finals)]) < 0.2  # a word may be cut in two
