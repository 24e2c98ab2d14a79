import asyncio
import json
import re
import threading
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.conformance.mock_server import mock_server

from qwen3_asr_realtime.conformance.catalogue import CASES
from qwen3_asr_realtime.conformance.command import run_conformance


@contextmanager
def served(script):
    """A mock server in a thread of its own: the command has an event loop of its own."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    address = []
    ready = threading.Event()

    async def serve():
        async with mock_server(script) as target:
            address.append(target.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def greeting(peer):
    await peer.greet()
    await peer.until_closed()


@pytest.fixture
def url():
    with served(greeting) as address:
        yield address


@pytest.fixture
def run():
    """Run the command with output into text; the exit code and the text."""

    def run(url, **options):
        output = StringIO()
        return run_conformance(url, console=Console(file=output, width=200), **options), output.getvalue()

    return run


def test_a_server_that_conforms(run, url):
    code, output = run(url, only=["created-unasked", "headers-ignored"])
    assert code == 0
    assert output.splitlines() == [
        "passed  created-unasked  §15.1, §2.2, §4.1  DOC  session.created comes without any client input, with an id "
        "and the model that was asked for",
        "passed  headers-ignored  §1.2  DOC  OpenAI-Beta, X-DashScope-* and x-dashscope-sdk-* do no harm",
        "2/2 passed",
    ]


def test_a_server_that_does_not(run, url, tmp_path):
    code, output = run(url, only=["fields-of-created", "model-unknown", "wrong-key"], json_file=tmp_path / "report")
    assert code == 0  # uncertain
    assert "1/2 passed, 1 differs, 1 skipped" in output
    assert 'expected  session.created with session.model: "somebody-elses"' in output
    assert "uncertain the cloud takes an omni model" in output
    report = json.loads((tmp_path / "report").read_text())
    assert (report["strict"], report["summary"]) == (False, "1/2 passed, 1 differs, 1 skipped")
    model, key, fields = report["cases"]
    assert (model["id"], model["verdict"], model["where"]) == ("model-unknown", "differs", "step 2")
    assert model["got"] == 'session.model: "qwen3-asr-flash-realtime"'
    assert any("session.created" in line for line in model["log"])
    assert (key["verdict"], key["got"]) == ("skipped", "needs an API key")
    assert (fields["verdict"], fields["expected"]) == ("passed", "")


def test_strict(run, url):
    code, output = run(url, only=["model-unknown"], strict=True)
    assert code == 1
    assert "0/1 passed, 1 failed" in output


def test_what_a_server_says_does_not_reach_the_terminal(run):
    async def evil(peer):
        await peer.send("session.created", session={"id": "\x1b[2Jgone"})
        await peer.until_closed()

    with served(evil) as url:
        code, output = run(url, only=["created-unasked"])
    assert code == 1
    assert "\x1b" not in output
    assert "gone" in output


def test_nobody_there_is_one_line(run, capsys, unused_tcp_port):
    code, output = run(f"ws://127.0.0.1:{unused_tcp_port}/")
    assert (code, output) == (2, "")
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cannot connect to ws://127.0.0.1:{unused_tcp_port}/" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"only": ["no-such-case"]}, "no-such-case"),
        ({"audio": ["no-such-file.wav"]}, "no-such-file.wav"),
        ({"audio": ["a", "b", "c"]}, "at most 2"),
        ({"only": ["created-unasked"], "json_file": Path("no/such/folder")}, "no/such/folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, capsys, url, options, words):
    code, _ = run(url, **options)
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_the_list_needs_no_server(run):
    code, output = run("ws://127.0.0.1:9/", list_cases=True)
    assert code == 0
    assert len(output.splitlines()) == len(CASES)
    code, output = run("ws://127.0.0.1:9/", list_cases=True, only=["mictype"])
    assert re.match(r"mictype  §11\.3 MicType, §15\.11  OBS  MicType: no event ids", output)
