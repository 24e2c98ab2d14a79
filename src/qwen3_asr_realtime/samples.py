"""The server's one unit of time: the sample.

Everything between intake and engine is mono float32 at `SAMPLE_RATE`, and every position is a count of such samples
since the session began. Wall clocks play no part, so a file sent at a hundred times real time gives the same items as a
microphone.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside the server (the rate Silero, Moonshine and Qwen3-ASR were trained on)."""

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio at `SAMPLE_RATE`, float32 in [-1, 1], shape [n]."""

NO_SAMPLES: Samples = np.zeros(0, np.float32)


def samples_from_ms(duration_ms: float) -> int:
    """The whole number of samples in `duration_ms` milliseconds, rounded down."""
    return int(duration_ms * SAMPLE_RATE // 1000)


def ms_from_samples(count: int) -> int:
    """The whole number of milliseconds in `count` samples, rounded down."""
    return count * 1000 // SAMPLE_RATE
