import wave
from pathlib import Path

import numpy as np
import pytest

from qwen3_asr_realtime.samples import Samples

SPEECH = Path(__file__).parents[1] / "speech"


@pytest.fixture(scope="session")
def speech() -> Samples:
    """Seven seconds of read English at 16 kHz."""
    with wave.open(str(SPEECH / "libri_0870.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
