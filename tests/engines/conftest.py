import pytest

import harness
from harness import Clip
from qwen3_asr_realtime.engines.moonshine.model import Moonshine
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights


@pytest.fixture(scope="session")
def english_clips() -> dict[str, Clip]:
    return {clip.name: clip for clip in harness.english_clips()}


@pytest.fixture(scope="session")
def clip(english_clips) -> Clip:
    """Three seconds of clear reading."""
    return english_clips["libri_0930.wav"]


@pytest.fixture(scope="session")
def model() -> Moonshine:
    return Moonshine(verify_weights(locate_weights()))
