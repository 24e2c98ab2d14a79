import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts.mel_golden import FEWER_BINS, FEWER_BINS_CLIP, GOLDEN, clips, compared_frames

from qwen3_asr_realtime.engines.mel import HOP_SAMPLES, MelFilters, features, settled_frames
from qwen3_asr_realtime.engines.vllm.mel import GrowingLogMel
from qwen3_asr_realtime.samples import NO_SAMPLES

CLIPS = clips()
SPEECH = CLIPS["English"][:40_000]
STOP = len(SPEECH) // HOP_SAMPLES


def log_mel(clip, stop=None):
    return GrowingLogMel().frames(clip, NO_SAMPLES, first=0, stop=stop or len(clip) // HOP_SAMPLES)


WHOLE = log_mel(SPEECH)


def assert_same(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CLIPS)
def test_features_are_those_of_whisper_s_extractor(name):
    clip = CLIPS[name]
    frames = log_mel(clip)

    made = features(frames, frames.max())

    assert made.dtype == np.float32
    assert made.shape == (128, len(clip) // HOP_SAMPLES)
    assert_same(made[:, compared_frames(clip)], np.load(GOLDEN)[name])


def test_the_smaller_sizes_of_whisper_have_fewer_bins():
    clip = CLIPS[FEWER_BINS_CLIP]
    frames = MelFilters(FEWER_BINS).log_mel(clip, NO_SAMPLES, first=0, stop=len(clip) // HOP_SAMPLES)

    assert_same(features(frames, frames.max())[:, compared_frames(clip)], np.load(GOLDEN)[f"{FEWER_BINS} bins"])


@settings(max_examples=50)
@given(st.lists(st.integers(320, len(SPEECH)), max_size=6), st.data())
def test_frames_do_not_depend_on_what_was_asked_before(lengths, data):
    growing = GrowingLogMel()
    for length in [*lengths, len(SPEECH)]:
        first = data.draw(st.integers(0, length // HOP_SAMPLES))
        frames = growing.frames(SPEECH[:length], NO_SAMPLES, first=first, stop=length // HOP_SAMPLES)

        assert_same(frames, log_mel(SPEECH[:length])[:, first:])


@given(st.integers(0, len(SPEECH)), st.integers(2, STOP))
def test_it_does_not_matter_where_the_audio_ends_and_what_follows_begins(length, stop):
    frames = GrowingLogMel().frames(SPEECH[:length], SPEECH[length:], first=1, stop=stop)

    assert_same(frames, WHOLE[:, 1:stop])


@given(st.integers(200, len(SPEECH)))
def test_settled_frames_stay_and_the_next_one_does_not(length):
    settled = settled_frames(length)
    stop = settled + 2
    audio = SPEECH[:length]
    with_bang = log_mel(np.append(audio, [1.0, -1.0]).astype(np.float32), stop)
    frames = log_mel(audio, stop)

    assert_same(with_bang[:, :settled], frames[:, :settled])
    assert abs(with_bang[:, settled + 1] - frames[:, settled + 1]).max() > 1e-3


@given(st.integers(0, 8000), st.integers(0, 8000))
def test_zeros_fill_the_clip_up(length, following):
    audio, rest = SPEECH[:length], SPEECH[length : length + following]
    stop = 120
    filled = np.zeros(stop * HOP_SAMPLES, np.float32)
    filled[: length + following] = SPEECH[: length + following]

    assert_same(GrowingLogMel().frames(audio, rest, first=0, stop=stop), log_mel(filled))


def test_settled_frames_are_computed_once():
    growing = GrowingLogMel()
    growing.frames(SPEECH[:20_000], NO_SAMPLES, first=0, stop=125)
    forgotten = SPEECH.copy()
    forgotten[: settled_frames(20_000) * HOP_SAMPLES - 200] = np.nan

    assert_same(growing.frames(forgotten, NO_SAMPLES, first=0, stop=STOP), WHOLE)
