"""The whole suite, strict, against the server as `make start` runs it."""

from io import StringIO

from rich.console import Console

from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.conformance.catalogue import CASES
from qwen3_asr_realtime.conformance.command import run_conformance

KEY = "a-key-of-sixteen-or-more"


def test_our_server_conforms() -> None:
    output = StringIO()
    with local_server(env={"API_KEYS": KEY}) as server:
        code = run_conformance(server.url, api_key=KEY, strict=True, console=Console(file=output, width=200))
    report = output.getvalue()
    assert report.splitlines()[-1] == f"{len(CASES)}/{len(CASES)} passed", report
    assert code == 0
