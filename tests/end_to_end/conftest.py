from collections.abc import Iterator

import pytest

from qwen3_asr_realtime.client.local_server import LocalServer, local_server


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The server as `make start` runs it, but for its port."""
    with local_server() as running:
        yield running
