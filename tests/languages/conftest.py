from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.models.store import locate
from qwen3_asr_realtime.settings import Settings

MODELS_DIR = Settings().models_folder
"""Where whoever runs the tests has the models; the tests' own folder, set later, has none."""


@pytest.fixture(scope="session")
def weights() -> Path:
    """Whisper's weights. Without them these tests fail, and say what to do."""
    return locate("whisper-base", MODELS_DIR)


@pytest.fixture(scope="session")
def server(weights: Path) -> Iterator[LocalServer]:
    """The server as `make start` runs it where the weights could be had."""
    with local_server(env={"MODELS_DIR": str(MODELS_DIR)}) as running:
        yield running
