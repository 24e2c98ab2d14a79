"""API keys, as users of the SDK meet them; and an origin that nobody has listed, which the SDK sends all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sdk.sdk import Sdk

from qwen3_asr_realtime.client.local_server import LocalServer, local_server

KEY = "sk-of-acme-0123456789"


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalServer, Path]]:
    """A server with a key that lets in pages of one other host; and its log."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    env = {"ASR_ENGINE": "scripted", "API_KEYS": KEY, "ALLOWED_ORIGINS": "https://app.example.com"}
    with local_server(env=env, log_path=log) as running:
        yield running, log


@pytest.mark.parametrize(("key", "saw"), [(KEY, "connected"), ("sk-of-another-0123456789", "timed out")])
def test_a_right_key_connects_and_a_wrong_one_is_named_in_the_log(
    newest_sdk: Sdk,
    guarded_server: tuple[LocalServer, Path],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    saw: str,
) -> None:
    server, log = guarded_server
    monkeypatch.setenv("REALTIME_API_KEY", key)
    seen = newest_sdk.run("conversation_key", server.url, log)
    assert seen.one(saw)
    assert ("invalid_api_key" in log.read_text()) == (saw == "timed out")
    assert key not in log.read_text()
