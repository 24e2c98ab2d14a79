import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen3_asr_realtime.recognition.segmentation import SEARCH_SHARE, quietest_cut
from qwen3_asr_realtime.samples import SAMPLE_RATE


def noise(duration_s, level=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(int(duration_s * SAMPLE_RATE))).astype(np.float32)


@settings(deadline=None)
@given(length_s=st.floats(6, 30), where=st.floats(0, 1), gap_s=st.floats(0.25, 0.4), seed=st.integers(0, 99))
def test_cuts_in_the_gap(length_s, where, gap_s, seed):
    speech = noise(length_s, seed=seed)
    first = int(len(speech) * (1 - SEARCH_SHARE)) + 1
    gap = int(gap_s * SAMPLE_RATE)
    start = first + int(where * (len(speech) - gap - first))
    speech[start : start + gap] = 0

    assert start < quietest_cut(speech) < start + gap


def test_of_two_gaps_the_quieter_one():
    speech = noise(15)
    speech[10 * SAMPLE_RATE : 11 * SAMPLE_RATE] *= 0.1
    speech[13 * SAMPLE_RATE : 13 * SAMPLE_RATE + 5000] *= 0.01

    assert 13 * SAMPLE_RATE < quietest_cut(speech) < 13 * SAMPLE_RATE + 5000


def test_the_closure_of_a_plosive_is_no_gap():
    speech = noise(15)
    speech[10 * SAMPLE_RATE : 10 * SAMPLE_RATE + 960] = 0  # 60 ms of nothing
    speech[13 * SAMPLE_RATE : 13 * SAMPLE_RATE + 3200] *= 0.3  # 200 ms, somewhat quieter

    assert 13 * SAMPLE_RATE <= quietest_cut(speech) <= 13 * SAMPLE_RATE + 3200


@settings(deadline=None)
@given(length=st.integers(SAMPLE_RATE, 20 * SAMPLE_RATE), level=st.sampled_from([0, 1e-4, 1]), seed=st.integers(0, 99))
def test_the_cut_lies_in_the_last_part_and_leaves_something_on_both_sides(length, level, seed):
    speech = noise(21, level, seed)[:length]

    cut = quietest_cut(speech)

    assert int(length * (1 - SEARCH_SHARE)) < cut < length
    assert quietest_cut(speech.copy()) == cut


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_loudness_does_not_matter(scale):
    speech = noise(15)

    assert quietest_cut((speech * np.float32(scale)).astype(np.float32)) == quietest_cut(speech)
