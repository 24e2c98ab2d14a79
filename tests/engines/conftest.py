import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qwen3_asr_realtime.engines.moonshine.model import Moonshine
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights
from qwen3_asr_realtime.samples import Samples

SPEECH = Path(__file__).parent.parent / "speech"


@dataclass(frozen=True)
class Clip:
    audio: Samples
    transcript: str


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="session")
def english_clips() -> dict[str, Clip]:
    entries = json.loads((SPEECH / "manifest.json").read_text())
    return {
        entry["file"]: Clip(read_wav(SPEECH / entry["file"]), entry["transcript"])
        for entry in entries
        if entry["language"] == "en"
    }


@pytest.fixture(scope="session")
def clip(english_clips) -> Clip:
    """Three seconds of clear reading."""
    return english_clips["libri_0930.wav"]


@pytest.fixture(scope="session")
def model() -> Moonshine:
    return Moonshine(verify_weights(locate_weights()))
