import pytest

from qwen3_asr_realtime.conformance.speech import Recordings


@pytest.fixture(scope="session")
def recordings():
    return Recordings()
