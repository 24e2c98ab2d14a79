import wave
from pathlib import Path

import numpy as np
import pytest
import soxr
from tests.audio.opus_material import encoded

from qwen3_asr_realtime.audio.opus import OPUS_RATE
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

SPEECH = Path(__file__).parents[1] / "speech"


@pytest.fixture(scope="session")
def speech() -> Samples:
    """Seven seconds of read English at 16 kHz."""
    with wave.open(str(SPEECH / "libri_0870.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


@pytest.fixture(scope="session")
def clip(speech: Samples) -> Samples:
    """Two and a bit seconds, no whole number of frames."""
    return speech[: 2 * SAMPLE_RATE + 4321]


@pytest.fixture(scope="session")
def clip48(clip: Samples) -> Samples:
    return soxr.resample(clip, SAMPLE_RATE, OPUS_RATE)


@pytest.fixture(scope="session")
def packets(clip: Samples) -> list[bytes]:
    return encoded(clip)
