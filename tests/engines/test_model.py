import threading

import numpy as np
import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.moonshine import model as model_module
from qwen3_asr_realtime.engines.moonshine.model import MIN_SAMPLES, Transcript
from word_error_rate import word_error_rate


class CountingEvent(threading.Event):
    """Sets itself when it has been looked at `allowed` times: one look before each run of the model."""

    def __init__(self, allowed=10_000):
        super().__init__()
        self.allowed = allowed
        self.looks = 0

    def is_set(self):
        self.looks += 1
        return self.looks > self.allowed


def runs(model, audio, draft=()):
    counter = CountingEvent()
    model.decode(audio, draft, counter)
    return counter.looks


def test_word_error_rate_on_real_speech(model, english_clips):
    clips = english_clips.values()

    heard = [model.decode(clip.samples).text for clip in clips]

    assert word_error_rate([clip.transcript for clip in clips], heard) <= 0.08


def test_text_has_case_and_punctuation(model, clip):
    assert model.decode(clip.samples).text == "He might even have been made amiable himself."


@pytest.mark.parametrize("n_samples", [0, 1, MIN_SAMPLES - 1])
def test_audio_too_short_for_the_encoder_is_empty(model, n_samples):
    assert model.decode(np.zeros(n_samples, np.float32)) == Transcript()


def test_the_shortest_audio_the_encoder_takes(model):
    assert model.decode(np.zeros(MIN_SAMPLES, np.float32)).token_ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_module, "MIN_SAMPLES", 0)
        with pytest.raises(EngineError, match="onnxruntime failed"):
            model.decode(np.zeros(MIN_SAMPLES - 1, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_sound_fail_this_decode_only(model, clip, value):
    broken = clip.samples.copy()
    broken[1000] = value

    with pytest.raises(EngineError, match="no sound"):
        model.decode(broken)

    assert model.decode(clip.samples).text


def test_wrong_dtype_fails_this_decode_only(model, clip):
    with pytest.raises(EngineError, match="onnxruntime failed"):
        model.decode(clip.samples.astype(np.float64))


def test_the_length_bound_cuts_and_says_so(model, clip, monkeypatch):
    whole = model.decode(clip.samples)
    monkeypatch.setattr(model_module, "MAX_TOKENS_PER_S", 0)
    monkeypatch.setattr(model_module, "EXTRA_TOKENS", 5)

    cut = model.decode(clip.samples)

    assert not whole.truncated
    assert cut.truncated
    assert cut.token_ids == whole.token_ids[:5]
    assert model.decode(clip.samples, draft=whole.token_ids) == cut


def test_a_text_that_ends_at_the_bound_is_not_truncated(model, clip, monkeypatch):
    whole = model.decode(clip.samples)
    monkeypatch.setattr(model_module, "MAX_TOKENS_PER_S", 0)
    monkeypatch.setattr(model_module, "EXTRA_TOKENS", len(whole.token_ids))

    assert model.decode(clip.samples) == whole


@pytest.mark.parametrize("allowed", [0, 1, 2, 7])
def test_cancelling_stops_before_the_next_run(model, clip, allowed):
    cancelled = CountingEvent(allowed)

    with pytest.raises(EngineError, match="cancelled"):
        model.decode(clip.samples, cancelled=cancelled)

    assert cancelled.looks == allowed + 1


def test_a_right_draft_saves_all_runs_but_one(model, clip):
    whole = model.decode(clip.samples)

    assert model.decode(clip.samples, whole.token_ids) == whole
    assert runs(model, clip.samples) == 2 + len(whole.token_ids)
    assert runs(model, clip.samples, whole.token_ids) == 2


def test_a_partly_right_draft_is_continued(model, clip):
    whole = model.decode(clip.samples)
    half = len(whole.token_ids) // 2
    draft = (*whole.token_ids[:half], *whole.token_ids)

    assert model.decode(clip.samples, draft) == whole
    assert runs(model, clip.samples, draft) == 2 + len(whole.token_ids) - half


def test_a_wrong_draft_steers_nothing(model, english_clips, clip):
    other = model.decode(english_clips["libri_0880.wav"].samples)

    assert model.decode(clip.samples, other.token_ids).text == model.decode(clip.samples).text
