"""The pages over HTTP, called in every way that `/openapi.json` allows and in many that it does not."""

import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen3_asr_realtime.client.local_server import LocalServer, local_server

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"

PATHS = ["/", "/health", "/ready", "/metrics", "/stats", "/docs", "/docs/realtime", "/openapi.json", "/asyncapi.json"]
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(env={"ASR_ENGINE": "scripted"}) as running:
        yield running


def test_no_call_makes_the_server_fail(server: LocalServer, tmp_path: Path) -> None:
    """Statuses, types and bodies are as described, whatever is sent; above all, no answer is a 500."""
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{server.http_url}/openapi.json", "--checks", "all"),
            *("--max-examples", "50", "--seed", "1", "--no-color", "--generation-database", ":memory:"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "ODD"]),
    path=st.sampled_from(PATHS) | st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60),
    headers=st.dictionaries(st.sampled_from(["Host", "Accept", "Accept-Encoding", "X-Forwarded-For"]), HEADER),
    body=st.none() | st.binary(max_size=100),
)
@settings(max_examples=200)
def test_no_request_makes_the_server_fail(
    server: LocalServer, method: str, path: str, headers: dict[str, str], body: bytes | None
) -> None:
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=10)
    connection.request(method, f"/{path.removeprefix('/')}", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status < 500


def test_every_page_is_described(server: LocalServer) -> None:
    with urllib.request.urlopen(f"{server.http_url}/openapi.json") as answer:
        paths = set(json.load(answer)["paths"])
    assert paths == {"/", "/health", "/ready", "/metrics", "/stats", "/asyncapi.json"}
