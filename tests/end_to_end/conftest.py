from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen3_asr_realtime.audio.files import pcm16_bytes, read_samples
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

SPEECH = Path(__file__).parents[1] / "speech"


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The server as `make start` runs it, but for its port."""
    with local_server() as running:
        yield running


@pytest.fixture(scope="session")
def go_forward() -> bytes:
    """2.8 s of speech as 16-bit PCM: one utterance."""
    return pcm16_bytes(read_samples(SPEECH / "cmd_goforward.wav"))
