import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scripts.mel_golden import GOLDEN, clips, compared_frames

from qwen3_asr_realtime.engines.mel import HOP_SAMPLES, features
from qwen3_asr_realtime.engines.vllm.mel import GrowingLogMel
from qwen3_asr_realtime.engines.vllm.windows import MIN_TAIL_SAMPLES, WINDOW_SAMPLES, AudioWindows

CLIPS = clips()
LOUD = np.sign(CLIPS["quiet, then a loud burst"][:4000])
SPEECH = np.concatenate((LOUD, *(CLIPS["English"], CLIPS["Chinese, not a whole number of frames"]) * 2))
"""30 s; the loudest frames are the first."""

SETTLING = 40
"""Samples after a window that its last frame reaches into."""

positions = st.one_of(
    st.integers(0, len(SPEECH)),
    st.builds(
        lambda window, offset: max(0, window * WINDOW_SAMPLES + offset),
        st.integers(0, 3),
        st.integers(-400, 400) | st.integers(7800, 8200),
    ),
)
calls = st.tuples(positions, st.one_of(st.integers(0, 100), st.integers(0, 20_000)))
"""Samples of the segment, and how many that follow are known."""


def cut(windows, audio, length, following=0):
    return windows.windows(audio[:length], audio[length : length + following])


def fresh(audio, length, following=0):
    return cut(AudioWindows("fresh", features=True), audio, length, following)


def joined(windows):
    return np.concatenate([window.features for window in windows], axis=1)


def assert_same(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


# --- features ---


@pytest.mark.parametrize("name", CLIPS)
def test_a_segment_given_at_once_has_the_features_of_whisper_s_extractor(name):
    clip = CLIPS[name]

    made = joined(fresh(clip, len(clip)))

    assert_same(made[:, compared_frames(clip)], np.load(GOLDEN)[name])


def test_a_segment_that_grew_has_the_features_of_whisper_s_extractor():
    clip = CLIPS["loud, then fading away"]
    windows = AudioWindows("segment", features=True)
    for length in range(0, len(clip), 3000):
        made = cut(windows, clip, length)
    made = cut(windows, clip, len(clip))

    assert_same(joined(made)[:, compared_frames(clip)], np.load(GOLDEN)["loud, then fading away"])


@settings(max_examples=40)
@given(st.lists(calls, max_size=5), calls)
def test_features_do_not_depend_on_how_the_segment_came_to_its_length(history, last):
    length, following = last
    complete = length // WINDOW_SAMPLES
    assume(complete == 0 or length + following >= complete * WINDOW_SAMPLES + SETTLING)
    windows = AudioWindows("segment", features=True)
    for call in history:
        cut(windows, SPEECH, *call)

    made = cut(windows, SPEECH, *last)

    assert_same(joined(made), joined(fresh(SPEECH, *last)))
    assert_same(joined(cut(windows, SPEECH, *last)), joined(made))


def test_frozen_windows_keep_their_floor_when_something_louder_comes():
    clip = CLIPS["quiet, then a loud burst"]
    quiet, whole = 9 * 16_000, len(clip)
    windows = AudioWindows("segment", features=True)
    before = cut(windows, clip, quiet - 1000)

    after = cut(windows, clip, whole)

    assert after[0].features is before[0].features
    assert_same(after[1].features, fresh(clip, whole)[1].features)
    assert (after[0].features < fresh(clip, whole)[0].features - 0.1).any()


@pytest.mark.parametrize("length", [WINDOW_SAMPLES - 1000, WINDOW_SAMPLES + 10_000])
def test_what_was_louder_beyond_the_end_is_forgotten(length):
    clip = CLIPS["quiet, then a loud burst"]
    windows = AudioWindows("segment", features=True)
    cut(windows, clip, len(clip))

    assert_same(cut(windows, clip, length)[-1].features, fresh(clip, length)[-1].features)


def test_what_follows_does_not_complete_a_window():
    windows = AudioWindows("segment", features=True)
    cut(windows, SPEECH, WINDOW_SAMPLES - 1, 20_000)

    assert_same(joined(cut(windows, SPEECH, 10 * 16_000)), joined(fresh(SPEECH, 10 * 16_000)))


def test_a_segment_may_shrink_to_its_frozen_windows():
    windows = AudioWindows("segment", features=True)
    cut(windows, SPEECH, 10 * 16_000)
    frozen, _ = cut(windows, SPEECH, 12 * 16_000)

    (only,) = cut(windows, SPEECH, WINDOW_SAMPLES)

    assert only.frozen
    assert only.uuid == frozen.uuid
    assert only.features is frozen.features


# --- windows and their names ---


@pytest.mark.parametrize("with_features", [True, False])
@settings(max_examples=40)
@given(history=st.lists(calls, min_size=2, max_size=8))
def test_a_uuid_names_one_content_and_a_frozen_window_stays_so(with_features, history):
    audio = SPEECH[::-1]  # The loudest frames come last.
    windows = AudioWindows("segment", features=with_features)
    named = {}
    ever_frozen = set()
    for call in history:
        for index, window in enumerate(cut(windows, audio, *call)):
            content = (window.samples.tobytes(), None if window.features is None else window.features.tobytes())
            assert (window.features is not None) == with_features
            assert window.uuid.startswith("segment.")
            if window.frozen:
                assert named.setdefault(window.uuid, content) == content
                ever_frozen.add(index)
            else:
                assert window.uuid not in named
                named[window.uuid] = content
                assert index not in ever_frozen or call[0] < (index + 1) * WINDOW_SAMPLES


@pytest.mark.parametrize("with_features", [True, False])
@pytest.mark.parametrize(
    ("length", "following", "frozen"),
    [
        (WINDOW_SAMPLES - 1, 20_000, [False]),
        (WINDOW_SAMPLES, SETTLING - 1, [False]),
        (WINDOW_SAMPLES, SETTLING, [True]),
        (WINDOW_SAMPLES + SETTLING - 1, 0, [False, False]),
        (WINDOW_SAMPLES + SETTLING, 0, [True, False]),
        (2 * WINDOW_SAMPLES + 100, 0, [True, True, False]),
    ],
)
def test_a_window_is_frozen_once_nothing_unknown_can_change_it(with_features, length, following, frozen):
    windows = AudioWindows("segment", features=with_features)

    made = cut(windows, SPEECH, length, following)

    assert [window.frozen for window in made] == frozen
    assert [window.uuid for window in made if window.frozen] == [f"segment.{index}" for index in range(sum(frozen))]


def test_features_of_frozen_windows_cannot_be_overwritten():
    first, *_ = fresh(SPEECH, 10 * 16_000)

    with pytest.raises(ValueError, match="read-only"):
        first.features[0, 0] = 1


@given(positions)
def test_windows_together_are_the_audio(length):
    made = cut(AudioWindows("segment", features=False), SPEECH, length)

    assert {len(window.samples) for window in made[:-1]} <= {WINDOW_SAMPLES}
    together = np.concatenate([window.samples for window in made])
    assert np.array_equal(together[:length], SPEECH[:length])
    assert all(np.shares_memory(window.samples, SPEECH) for window in made[:-1])


# --- short tails ---


@pytest.mark.parametrize("complete", [0, 1])
@pytest.mark.parametrize(
    ("tail", "following"), [(1, 0), (100, 50), (100, 20_000), (MIN_TAIL_SAMPLES - 1, 0), (MIN_TAIL_SAMPLES - 1, 1)]
)
def test_a_short_tail_is_made_half_a_second(complete, tail, following):
    length = complete * WINDOW_SAMPLES + tail
    end = complete * WINDOW_SAMPLES + MIN_TAIL_SAMPLES
    expected = np.zeros(end, np.float32)
    expected[: length + following] = SPEECH[: min(length + following, end)]

    made = fresh(SPEECH, length, following)

    assert len(made) == complete + 1
    assert np.array_equal(made[-1].samples, expected[-MIN_TAIL_SAMPLES:])
    frames = GrowingLogMel().frames(expected, SPEECH[end : length + following], first=0, stop=end // HOP_SAMPLES)
    assert_same(joined(made), features(frames, frames.max()))


def test_no_audio_is_half_a_second_of_silence_or_of_what_follows():
    (silent,) = fresh(SPEECH, 0)
    (lent,) = fresh(SPEECH, 0, 10_000)

    assert np.array_equal(silent.samples, np.zeros(MIN_TAIL_SAMPLES))
    assert silent.features.shape == (128, 50)
    assert np.array_equal(lent.samples, SPEECH[:MIN_TAIL_SAMPLES])


@pytest.mark.parametrize("tail", [0, MIN_TAIL_SAMPLES])
def test_other_tails_are_left_as_they_are(tail):
    made = fresh(SPEECH, WINDOW_SAMPLES + tail, 1000)

    assert [len(window.samples) for window in made] == [WINDOW_SAMPLES, *[tail] * (tail > 0)]
