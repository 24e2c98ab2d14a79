"""Sounds in which nobody speaks: not a word may come back from a server, until somebody does speak."""

import asyncio
from dataclasses import replace
from math import inf

import numpy as np
from scripts.non_speech import LEVELS_DB, at_level, non_speech

from harness import Result, silence, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

SESSIONS = 6


def assert_no_word_is_heard(server: LocalServer, options: TranscribeOptions, sentence: Samples, word: str) -> None:
    """Send every sound at every level, shared out over sessions, with silence between and a sentence behind them.

    The sentence, and the word that is in it, show that it was not for deafness that nothing was heard.
    """
    sounds = [(f"{name}, {db} dB", at_level(sound, db)) for name, sound in non_speech().items() for db in LEVELS_DB]
    shares = [sounds[first::SESSIONS] for first in range(SESSIONS)]
    audios = [
        np.concatenate([*(piece for _, sound in share for piece in (sound, silence(1))), sentence]) for share in shares
    ]
    fast = replace(options, speed=inf, chunk_ms=1000)

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(transcribe(server, audio, fast) for audio in audios))

    results = asyncio.run(all_at_once())

    sound_ms = 1000 * (len(audios[0]) - len(sentence)) // SAMPLE_RATE // len(shares[0])
    for share, result in zip(shares, results, strict=True):
        heard = [(final.start_ms or 0, final.transcript) for final in result.finals]
        begin_ms = sound_ms * len(share)
        assert {share[ms // sound_ms][0]: text for ms, text in heard if text and ms < begin_ms - 500} == {}
        assert word in "".join(text for ms, text in heard if ms >= begin_ms - 500)
        assert {preview.item_id for preview in result.previews} <= {f.item_id for f in result.finals if f.transcript}
