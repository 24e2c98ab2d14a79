from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms
from qwen3_asr_realtime.vad.detector import SpeechAudio, SpeechDetector, VoiceEvent
from qwen3_asr_realtime.vad.endpointing import (
    MAX_PREFIX_PADDING_MS,
    EndpointingParameters,
    SpeechStarted,
    SpeechStopped,
)
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, SileroModel

PLAIN = EndpointingParameters()
NOISE = np.random.default_rng(5).standard_normal(30 * SAMPLE_RATE).astype(np.float32)


class LoudnessModel(SileroModel):
    """Takes what is loud for speech."""

    def __init__(self) -> None:
        """Load nothing."""

    def probabilities(self, windows, lengths, states):
        loud = np.square(windows[:, CONTEXT_SAMPLES:]).mean(axis=1) > 1e-4
        return np.where(loud, np.float32(0.9), np.float32(0.01)), states


class Alone(SpeechDetector):
    """Has every frame judged at once, in a call of its own."""

    def __init__(self, model: SileroModel, parameters: EndpointingParameters) -> None:
        super().__init__(parameters)
        self._model = model

    def push(self, samples: Samples) -> list[VoiceEvent]:
        frames = self.take(samples)
        if frames is None:
            return []
        while frames.left:
            self._model.judge([frames])
        return list(self.conclude(frames))


@dataclass
class Turn:
    start: int
    end: int | None = None
    audio: Samples | None = None


def turns_of(events: list[VoiceEvent]) -> list[Turn]:
    """The turns, having checked that the audio of each is contiguous from its start and reaches its end."""
    turns: list[Turn] = []
    pieces: list[Samples] = []
    for event in events:
        match event:
            case SpeechStarted(start):
                assert not turns or (turns[-1].end is not None and turns[-1].end <= start)
                turns.append(Turn(start))
                pieces = []
            case SpeechAudio(samples, first):
                assert len(samples) > 0
                assert turns[-1].end is None
                assert first == turns[-1].start + sum(map(len, pieces))
                pieces.append(samples)
                turns[-1].audio = np.concatenate(pieces)
            case SpeechStopped(end):
                assert turns[-1].end is None
                assert turns[-1].start < end <= turns[-1].start + sum(map(len, pieces))
                turns[-1].end = end
    return turns


def detect(model: SileroModel, audio: Samples, parameters: EndpointingParameters = PLAIN) -> list[Turn]:
    detector = Alone(model, parameters)
    turns = turns_of(detector.push(audio) + detector.flush())
    for turn in turns:
        assert turn.audio is not None
        assert np.array_equal(turn.audio, audio[turn.start : turn.start + len(turn.audio)])
    return turns


def pause(duration_s: float) -> Samples:
    return np.zeros(int(duration_s * SAMPLE_RATE), np.float32)


# Turns.


def test_two_sentences_are_two_turns_or_one(model: SileroModel, clips: dict[str, Samples]):
    first, second = clips["libri_0880.wav"], clips["libri_0930.wav"]
    audio = np.concatenate((pause(1), first, pause(1), second, pause(1)))
    one, two = detect(model, audio)
    for turn, begin, speech_ends_ms in ((one, SAMPLE_RATE, 2790), (two, 2 * SAMPLE_RATE + len(first), 3010)):
        assert abs(turn.start + samples_from_ms(300) - begin) < samples_from_ms(100)
        assert turn.end is not None
        assert abs(turn.end - begin - samples_from_ms(speech_ends_ms)) < samples_from_ms(60)

    (whole,) = detect(model, audio, replace(PLAIN, silence_ms=6000))
    assert (whole.start, whole.end) == (one.start, two.end)


@pytest.mark.parametrize("gain", [1, 0.1])
def test_a_short_word_is_a_turn(model: SileroModel, clips: dict[str, Samples], gain: float):
    go = clips["cmd_goforward.wav"][samples_from_ms(480) : samples_from_ms(660)] * np.float32(gain)
    (turn,) = detect(model, np.concatenate((pause(1), go, pause(1))))
    assert abs(turn.start + samples_from_ms(300) - SAMPLE_RATE) < samples_from_ms(50)


def hum() -> Samples:
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    return (sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5)) * 0.1).astype(np.float32)


def clicks() -> Samples:
    audio = pause(10)
    for begin in range(3000, len(audio), 9000):
        audio[begin : begin + 200] = 0.5 * NOISE[:200] * np.exp(-np.arange(200) / 40)
    return audio


@pytest.mark.parametrize(
    "audio", [pause(10), NOISE[: 10 * SAMPLE_RATE] * 0.03, NOISE[: 10 * SAMPLE_RATE] * 0.001, hum(), clicks()],
    ids=["silence", "white noise", "faint noise", "hum", "clicks"],
)  # fmt: skip
def test_what_is_no_speech_gives_no_event(model: SileroModel, audio: Samples):
    detector = Alone(model, PLAIN)
    assert detector.push(audio) + detector.flush() == []


@pytest.mark.parametrize("threshold", [0.05, 0.95])
def test_the_outermost_thresholds_find_speech_and_end_on_silence(
    model: SileroModel, clips: dict[str, Samples], threshold: float
):
    detector = Alone(model, replace(PLAIN, threshold=threshold))
    turns = turns_of(detector.push(np.concatenate((pause(1), clips["libri_0880.wav"], pause(2)))))
    assert turns
    assert turns[-1].end is not None


def test_noise_after_digital_silence_does_not_hold_turns_open(model: SileroModel, clips: dict[str, Samples]):
    # A microphone that delivers zeros at first: the background before the first turn is not the one after it.
    audio = np.concatenate((pause(0.5), clips["libri_0880.wav"], pause(0.9), clips["libri_0930.wav"], pause(1)))
    audio[7000:] += 0.003 * NOISE[: len(audio) - 7000]
    assert len(detect(model, audio)) == 2


# The way the audio comes.


@given(lengths=st.lists(st.integers(0, 20_000), max_size=60), flush_at=st.integers(0, 60))
def test_events_do_not_depend_on_how_the_audio_is_cut_up(lengths: list[int], flush_at: int):
    audio = NOISE[:200_000] * np.repeat(np.float32([0, 0.1, 0, 0.1, 0.0001, 0.02, 0, 0.1, 0.1, 0]), 20_000)
    flush_position = sum(lengths[:flush_at])

    def boundaries(cuts: list[int]) -> tuple[list[VoiceEvent], list[Turn]]:
        detector = Alone(LoudnessModel(), replace(PLAIN, max_utterance_ms=3000))
        events: list[VoiceEvent] = []
        for begin, end in zip([0, *cuts], [*cuts, len(audio)], strict=True):
            events += detector.push(audio[begin:end])
            if end == flush_position:
                events += detector.flush()
        assert detector.position == len(audio)
        events += detector.flush()
        return [event for event in events if not isinstance(event, SpeechAudio)], turns_of(events)

    cuts = [int(cut) for cut in np.cumsum(lengths) if cut < len(audio)]
    plain_cuts = sorted({cut for cut in cuts if cut == flush_position})
    if flush_position == 0:
        flush_position = -1
    events, turns = boundaries(cuts)
    expected_events, expected_turns = boundaries(plain_cuts)
    assert events == expected_events
    for turn, expected in zip(turns, expected_turns, strict=True):
        assert np.array_equal(turn.audio, expected.audio)


def test_real_speech_gives_the_same_turns_in_chunks_of_any_size(model: SileroModel, clips: dict[str, Samples]):
    audio = np.concatenate((pause(1), clips["libri_0890.wav"]))
    (whole,) = detect(model, audio)
    for size in (1, 37, 320, 512, 1600):
        detector = Alone(model, PLAIN)
        audio_end = len(audio) if size > 1 else 2 * SAMPLE_RATE
        events = [e for begin in range(0, audio_end, size) for e in detector.push(audio[begin : begin + size])]
        (turn,) = turns_of(events + (detector.flush() if size > 1 else []))
        assert turn.start == whole.start
        if size > 1:
            assert turn.end == whole.end
            assert np.array_equal(turn.audio, whole.audio)


@pytest.mark.parametrize("size", [100, 512, 700, 20_000])
def test_the_model_sees_every_frame_with_the_samples_before_it(size: int):
    windows = []

    class Recorder(LoudnessModel):
        def probabilities(self, its_windows, lengths, states):
            windows.extend(its_windows)
            return super().probabilities(its_windows, lengths, states)

    detector = Alone(Recorder(), PLAIN)
    audio = NOISE[:40_000]
    for begin in range(0, len(audio), size):
        detector.push(audio[begin : begin + size])
    padded = np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), audio))
    for index, window in enumerate(windows):
        assert np.array_equal(window, padded[index * FRAME_SAMPLES :][: CONTEXT_SAMPLES + FRAME_SAMPLES])
    assert len(windows) == len(audio) // FRAME_SAMPLES


def test_pushed_audio_may_be_overwritten_afterwards(model: SileroModel, clips: dict[str, Samples]):
    audio = np.concatenate((pause(1), clips["libri_0880.wav"]))
    detector = Alone(model, PLAIN)
    events = []
    for begin in range(0, len(audio), 700):
        chunk = audio[begin : begin + 700].copy()
        events += detector.push(chunk)
        chunk[:] = 1
    (turn,) = turns_of(events)
    (expected,) = detect(model, audio)
    assert turn.audio is not None
    assert np.array_equal(turn.audio, expected.audio[: len(turn.audio)])


# Long turns.


def test_a_long_turn_is_cut_in_a_pause_and_no_sample_is_lost_or_doubled(model: SileroModel, clips: dict[str, Samples]):
    speech = np.concatenate((clips["libri_0870.wav"], clips["libri_0920.wav"]))
    audio = np.concatenate((pause(1), speech, speech, pause(2)))
    turns = detect(model, audio, replace(PLAIN, max_utterance_ms=10_000, silence_ms=1000))
    assert len(turns) > 2
    for turn, following in pairwise(turns):
        assert turn.end == following.start
        around = audio[turn.end - 64 : turn.end + 64]
        assert np.var(around) < 0.01 * np.var(speech)
    for turn in turns:
        assert turn.end is not None
        assert turn.end - turn.start <= 10 * SAMPLE_RATE


# Flushing.


def test_flush_ends_the_turn_at_the_last_sample_even_inside_a_frame():
    detector = Alone(LoudnessModel(), PLAIN)
    events = detector.push(np.concatenate((pause(1), NOISE[:16_100] * np.float32(0.1))))
    (turn,) = turns_of(events + detector.flush())
    assert turn.end == detector.position == SAMPLE_RATE + 16_100
    assert detector.flush() == []


def test_after_a_flush_the_next_turn_starts_exactly_there():
    detector = Alone(LoudnessModel(), PLAIN)
    loud = NOISE * np.float32(0.1)
    events = detector.push(loud[:16_100]) + detector.flush()
    events += detector.push(loud[16_100:40_000]) + detector.flush()
    one, two = turns_of(events)
    assert one.end == two.start == 16_100
    assert np.array_equal(np.concatenate((one.audio, two.audio)), loud[:40_000])


def test_flush_in_the_silence_after_speech_ends_the_turn_where_the_speech_ended():
    detector = Alone(LoudnessModel(), PLAIN)
    events = detector.push(np.concatenate((pause(1.024), NOISE[:SAMPLE_RATE] * np.float32(0.1), pause(0.2))))
    heard = [event for event in events if isinstance(event, SpeechAudio)]
    assert samples_from_ms(168) <= heard[-1].first_sample + len(heard[-1].samples) - heard[-1].voiced_until
    (turn,) = turns_of(events + detector.flush())
    assert turn.end is not None
    assert 0 <= turn.end - (1.024 + 1) * SAMPLE_RATE < 128


def test_a_turn_that_begins_with_a_cut_has_the_voice_in_what_was_heard_before_the_cut_was_decided():
    detector = Alone(LoudnessModel(), replace(PLAIN, max_utterance_ms=3000, prefix_padding_ms=0))
    loud = NOISE[: 4 * SAMPLE_RATE] * np.float32(0.1)
    loud[32_000 : 32_000 + 2 * FRAME_SAMPLES] *= np.float32(0.01)  # the pause to cut at: a second before the limit
    events = detector.push(loud) + detector.flush()
    cut = next(index for index, event in enumerate(events) if isinstance(event, SpeechStopped))
    audio = [event for event in events[cut:] if isinstance(event, SpeechAudio)]
    seconds = sum(len(event.samples) for event in audio) / SAMPLE_RATE
    assert seconds > 1.9
    assert sum(event.voice_s for event in audio) == pytest.approx(0.8 * seconds, rel=0.05)  # 0.9 is 0.8 beyond a half


# Memory.


@pytest.mark.parametrize("push", [20, 100, 5000])
def test_an_idle_session_keeps_little_audio(push: int):
    size = samples_from_ms(push)
    for prefix_padding_ms, limit in ((300, 80_000), (MAX_PREFIX_PADDING_MS, 150_000)):
        detector = Alone(LoudnessModel(), replace(PLAIN, prefix_padding_ms=prefix_padding_ms))
        for begin in range(0, len(NOISE) - size, size):
            detector.push(NOISE[begin : begin + size] * np.float32(0.001))
        owners = [piece if piece.base is None else piece.base for piece in detector._history._pieces]
        kept = {id(owner): owner.nbytes for owner in owners}
        assert sum(kept.values()) < limit


def test_a_speaking_session_keeps_what_a_cut_needs_and_no_more():
    detector = Alone(LoudnessModel(), replace(PLAIN, max_utterance_ms=25_000))
    loud = NOISE * np.float32(0.1)
    most = 0
    for begin in range(0, len(loud), 4 * FRAME_SAMPLES):
        detector.push(loud[begin : begin + 4 * FRAME_SAMPLES])
        if begin < 14 * SAMPLE_RATE:
            assert len(detector._history) < SAMPLE_RATE
        most = max(most, len(detector._history))
    assert most < 10.5 * SAMPLE_RATE
