import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.recognition.segment import Segment
from qwen3_asr_realtime.samples import SAMPLE_RATE


class Stream:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def samples(count, first=0):
    return np.arange(first, first + count, dtype=np.float32)


def segment_of(*counts):
    segment = Segment(0, Stream())
    for count in counts:
        segment.append(samples(count, len(segment)))
    return segment


@given(counts=st.lists(st.integers(0, 3 * SAMPLE_RATE), max_size=6))
def test_holds_what_was_added(counts):
    segment = segment_of(*counts)

    assert len(segment) == sum(counts)
    np.testing.assert_array_equal(segment.audio, samples(sum(counts)))


@given(counts=st.lists(st.integers(1, 3 * SAMPLE_RATE), min_size=2, max_size=5))
def test_a_view_stays_as_it_is_while_more_is_added(counts):
    """An engine reads it in its own thread meanwhile."""
    segment = segment_of(counts[0])
    view = segment.audio
    for count in counts[1:]:
        segment.append(samples(count, len(segment)))

    np.testing.assert_array_equal(view, samples(counts[0]))


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (400, 400), (1000, 1000), (1500, 1000)])
def test_closing_cuts_and_returns_the_rest(length, kept):
    segment = segment_of(1000)

    rest = segment.close(length)

    assert segment.closed
    np.testing.assert_array_equal(segment.audio, samples(kept))
    np.testing.assert_array_equal(rest, samples(1000 - kept, kept))


def test_the_rest_does_not_hold_on_to_the_segment_s_memory():
    assert segment_of(1000).close(400).base is None


def test_finishing_keeps_the_text_and_lets_go_of_everything_else():
    segment = segment_of(1000)
    stream, buffer = segment.stream, weakref.ref(segment.audio.base)

    segment.finish(Hypothesis("done"))

    assert segment.final == Hypothesis("done")
    assert (len(segment), stream.closed) == (0, 1)
    assert buffer() is None
