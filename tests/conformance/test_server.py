"""Some cases of the suite, strict, against the server as `make start` runs it; `make conformance` runs all of them."""

from io import StringIO

from rich.console import Console

from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.conformance.catalogue import picked
from qwen3_asr_realtime.conformance.command import run_conformance

KEY = "a-key-of-sixteen-or-more"
CASES = ["§1.1", "§15.3"]
"""Connections, and whole sessions as the official SDK holds them."""


def test_our_server_conforms() -> None:
    output = StringIO()
    with local_server(env={"API_KEYS": KEY}) as server:
        code = run_conformance(
            server.url, api_key=KEY, only=CASES, strict=True, console=Console(file=output, width=200)
        )
    report = output.getvalue()
    count = len(picked(CASES))
    assert report.splitlines()[-1] == f"{count}/{count} passed", report
    assert code == 0
