"""Faults: what the user sees, that others are unharmed, and that nothing is left. `make test-faults` runs them."""

from pathlib import Path

import pytest

from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples

SPEECH = Path(__file__).parents[1] / "speech"


@pytest.fixture(scope="session")
def go_forward() -> bytes:
    """2.8 s of speech as 16-bit PCM: one utterance."""
    return pcm16_bytes(read_samples(SPEECH / "cmd_goforward.wav"))
