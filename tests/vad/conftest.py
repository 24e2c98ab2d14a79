import json
import wave
from pathlib import Path

import numpy as np
import pytest

from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.vad.silero import SileroModel

SPEECH = Path(__file__).parent.parent / "speech"


@pytest.fixture(scope="session")
def model() -> SileroModel:
    return SileroModel.load()


@pytest.fixture(scope="session")
def clips() -> dict[str, Samples]:
    """All recordings, by file name."""
    clips = {}
    for entry in json.loads((SPEECH / "manifest.json").read_text()):
        with wave.open(str(SPEECH / entry["file"])) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        clips[entry["file"]] = pcm.astype(np.float32) / np.float32(32768)
    return clips
