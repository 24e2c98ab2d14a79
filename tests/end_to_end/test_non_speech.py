"""Sounds in which nobody speaks, the real engine, a real socket: not a word may come back."""

import asyncio
import math

import numpy as np
import pytest
from scripts.non_speech import LEVELS_DB, at_level, non_speech

from harness import Result, english_clips, silence, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

SESSIONS = 6
SENTENCE = english_clips()[0]


def recordings() -> list[tuple[list[str], Samples]]:
    """Every sound at every level, shared out, with silence between; at the end of each recording somebody does speak.

    The sentence shows that it was not for deafness that nothing was heard.
    """
    sounds = [(f"{name}, {db} dB", at_level(sound, db)) for name, sound in non_speech().items() for db in LEVELS_DB]
    shared = []
    for first in range(SESSIONS):
        mine = sounds[first::SESSIONS]
        pieces = [piece for _, sound in mine for piece in (sound, silence(1))]
        shared.append(([name for name, _ in mine], np.concatenate([*pieces, SENTENCE.samples])))
    return shared


@pytest.mark.parametrize("threshold", [None, 0.3, -1.0])
def test_no_word_is_heard_where_nobody_speaks(server: LocalServer, threshold: float | None) -> None:
    names, audios = zip(*recordings(), strict=True)
    options = TranscribeOptions(vad_threshold=threshold, speed=math.inf, chunk_ms=1000)

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(transcribe(server, audio, options) for audio in audios))

    results = asyncio.run(all_at_once())

    sound_ms = 1000 * (len(audios[0]) - len(SENTENCE.samples)) // SAMPLE_RATE // len(names[0])
    for session, result in zip(names, results, strict=True):
        heard = [(final.start_ms or 0, final.transcript) for final in result.finals]
        begin_ms = sound_ms * len(session)
        assert {session[ms // sound_ms]: text for ms, text in heard if text and ms < begin_ms - 500} == {}
        assert "leisure" in "".join(text for ms, text in heard if ms >= begin_ms - 500)
        assert {preview.item_id for preview in result.previews} <= {f.item_id for f in result.finals if f.transcript}
