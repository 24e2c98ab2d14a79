"""Where to cut speech that goes on longer than an engine takes at a time."""

import numpy as np

from qwen3_asr_realtime.samples import Samples, samples_from_ms

SEARCH_SHARE = 0.4
"""The cut is looked for in the last 40 % of a full segment: segments of 9 to 15 s for the embedded engine, whose word
error rate is flat between 8 and 20 s and whose cost per second grows beyond 15 s."""

SEARCH_SAMPLES_MAX = samples_from_ms(12_000)
"""But no further back than this, where segments are long: nothing of what may still be cut off is confirmed."""

BLOCK = samples_from_ms(20)
PAUSE_BLOCKS = 10
"""A pause is judged over 200 ms: long enough to pass over the closure of a plosive (50-100 ms), short enough for a gap
between two words."""


def earliest_cut(length: int) -> int:
    """The first sample at which a full segment of `length` samples may be cut; what lies before it stays in it."""
    return length - min(int(length * SEARCH_SHARE), SEARCH_SAMPLES_MAX)


def quietest_cut(segment: Samples) -> int:
    """Return the sample at which to cut a full segment: the middle of its quietest 200 ms, near its end.

    Depends on the given samples alone, so the same speech is cut at the same place however it arrives.

    Args:
        segment: A segment that has reached the engine's longest, shape [n], n of at least one second.
    """
    first = earliest_cut(len(segment))
    blocks = (len(segment) - first) // BLOCK
    searched = segment[first : first + blocks * BLOCK].reshape(blocks, BLOCK)
    energy = np.einsum("ij,ij->i", searched, searched, dtype=np.float64)
    pauses = np.convolve(energy, np.ones(PAUSE_BLOCKS), mode="valid")
    return first + (int(pauses.argmin()) + PAUSE_BLOCKS // 2) * BLOCK
