"""The whole suite, strict, against the server as `make start` runs it."""

from io import StringIO

from rich.console import Console

from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.conformance.catalogue import CASES
from qwen3_asr_realtime.conformance.command import run_conformance

NEEDS_A_KEY = 1


def test_our_server_conforms() -> None:
    output = StringIO()
    with local_server() as server:
        code = run_conformance(server.url, strict=True, console=Console(file=output, width=200))
    report = output.getvalue()
    assert report.splitlines()[-1] == f"{len(CASES) - NEEDS_A_KEY}/{len(CASES) - NEEDS_A_KEY} passed, 1 skipped", report
    assert code == 0
