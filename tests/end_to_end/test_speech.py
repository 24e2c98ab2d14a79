"""Real speech, the real engine, a real socket: what somebody hears who tries the server."""

import asyncio
import math

import numpy as np
import pytest
import soxr

from harness import Result, english_clips, silence, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.transcription import Mode, TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from word_error_rate import word_error_rate

WORD_ERROR_LIMIT = 0.08
BOUNDARY_LIMIT_MS = 100
PRE_ROLL_MS = 300

CLIPS = english_clips()
BY_NAME = {clip.name: clip for clip in CLIPS}
TWO_SENTENCES = np.concatenate([BY_NAME["libri_0880.wav"].samples, silence(1.2), BY_NAME["libri_0930.wav"].samples])


def run(server: LocalServer, recordings: list[Samples], options: TranscribeOptions) -> list[Result]:
    """One session for each recording, all at once."""

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(transcribe(server, samples, options) for samples in recordings))

    return asyncio.run(all_at_once())


def finals(results: list[Result]) -> list[list[str]]:
    return [[final.transcript for final in result.finals] for result in results]


@pytest.mark.parametrize(("mode", "items_of_two_sentences"), [("vad", 2), ("manual", 1)])
def test_speech_comes_back_as_text(server: LocalServer, mode: Mode, items_of_two_sentences: int) -> None:
    recordings = [clip.samples for clip in CLIPS] + [TWO_SENTENCES]
    paced = run(server, recordings, TranscribeOptions(mode=mode, speed=1.0))
    heard = [result.text for result in paced]
    assert word_error_rate([clip.transcript for clip in CLIPS], heard[: len(CLIPS)]) <= WORD_ERROR_LIMIT
    assert len(paced[-1].finals) == items_of_two_sentences
    for result in paced:
        assert {final.language for final in result.finals} == {"en"}
    dumped = run(server, recordings, TranscribeOptions(mode=mode, speed=math.inf))
    assert finals(dumped) == finals(paced)
    assert [[f.start_ms for f in r.finals] for r in dumped] == [[f.start_ms for f in r.finals] for r in paced]


@pytest.mark.parametrize("mode", ["vad", "manual"])
def test_text_comes_while_somebody_speaks(server: LocalServer, mode: Mode) -> None:
    """Alone: of many at once on a slow machine, partials may be left out."""
    (result,) = run(server, [BY_NAME["libri_0880.wav"].samples], TranscribeOptions(mode=mode, speed=1.0))
    assert result.previews


def test_confirmed_text_never_changes(server: LocalServer) -> None:
    (result,) = run(server, [np.concatenate([clip.samples for clip in CLIPS])], TranscribeOptions(speed=4.0))
    confirmed: dict[str, str] = {}
    for preview in result.previews:
        assert preview.text.startswith(confirmed.get(preview.item_id, ""))
        confirmed[preview.item_id] = preview.text
    assert any(confirmed.values())


@pytest.mark.parametrize("sample_rate", [16_000, 8_000])
def test_boundaries_are_where_speech_is(server: LocalServer, sample_rate: int) -> None:
    pieces: list[Samples] = [silence(1.0)]
    truth_ms = []
    for name in ("libri_0880.wav", "libri_0920.wav", "cmd_goforward.wav"):
        sounding = BY_NAME[name].samples[BY_NAME[name].speech]
        begin = sum(map(len, pieces))
        truth_ms.append((begin * 1000 / SAMPLE_RATE, (begin + len(sounding)) * 1000 / SAMPLE_RATE))
        pieces += [sounding, silence(1.2)]
    audio = soxr.resample(np.concatenate(pieces), SAMPLE_RATE, sample_rate)
    options = TranscribeOptions(sample_rate=sample_rate, speed=math.inf, vad_silence_ms=600)
    (result,) = run(server, [audio], options)
    assert len(result.finals) == len(truth_ms)
    for final, (begin_ms, end_ms) in zip(result.finals, truth_ms, strict=True):
        assert final.start_ms is not None
        assert final.end_ms is not None
        assert abs(final.start_ms + PRE_ROLL_MS - begin_ms) <= BOUNDARY_LIMIT_MS
        assert abs(final.end_ms - end_ms) <= BOUNDARY_LIMIT_MS


def test_telephone_audio(server: LocalServer) -> None:
    recordings = [soxr.resample(clip.samples, SAMPLE_RATE, 8_000) for clip in CLIPS]
    results = run(server, recordings, TranscribeOptions(sample_rate=8_000, speed=math.inf, vad_silence_ms=800))
    heard = [result.text for result in results]
    assert word_error_rate([clip.transcript for clip in CLIPS], heard) <= WORD_ERROR_LIMIT


def test_long_speech_is_cut_inside_and_joined(server: LocalServer) -> None:
    sentences = [clip for clip in CLIPS if clip.name.startswith("libri")]
    speech = np.concatenate([clip.samples[clip.speech] for clip in sentences])
    (result,) = run(server, [speech], TranscribeOptions(mode="manual", speed=math.inf))
    assert len(speech) > 20 * SAMPLE_RATE  # longer than the engine takes at a time
    assert len(result.finals) == 1
    assert word_error_rate([" ".join(clip.transcript for clip in sentences)], [result.text]) <= WORD_ERROR_LIMIT
