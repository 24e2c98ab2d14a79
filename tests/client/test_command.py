import asyncio
import json
import math
import signal
import sys
from pathlib import Path

import pytest

from qwen3_asr_realtime.client.command import run_transcribe

TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"

SPEECH = Path(__file__).parent.parent / "speech"
CLIP = SPEECH / "cmd_goforward.wav"
OTHER_CLIP = SPEECH / "libri_0880.wav"


async def recognise(peer):
    await peer.set_up()
    await peer.until("session.finish")
    await peer.send("input_audio_buffer.speech_started", item_id="a", audio_start_ms=400)
    await peer.send(TEXT, item_id="a", text="go", stash=" for", language="en")
    await peer.send("input_audio_buffer.speech_stopped", item_id="a", audio_end_ms=2500)
    await peer.send(COMPLETED, item_id="a", transcript="go forward", language="en")
    await peer.send("session.finished")
    await peer.until_closed()


async def run(server_or_url, *files, **options):
    """Run the command in a thread, since it starts an event loop of its own."""
    url = getattr(server_or_url, "url", server_or_url)
    return await asyncio.to_thread(run_transcribe, files or [CLIP], url=url, speed=math.inf, **options)


async def test_success_writes_the_finals_and_nothing_else(scripted_server, capsys):
    async with scripted_server(recognise) as server:
        assert await run(server, mode="vad", language="en", api_key="secret") == 0
        (peer,) = server.peers
    assert capsys.readouterr() == ("[00:00.40 – 00:02.50] go forward\n", "")
    assert peer.request.headers["Authorization"] == "Bearer secret"
    assert peer.received[0]["session"]["input_audio_transcription"] == {"language": "en"}


async def test_manual_mode_and_context_reach_the_server(scripted_server):
    async with scripted_server(recognise) as server:
        assert await run(server, mode="manual", context="robots") == 0
        session = server.peers[0].received[0]["session"]
    assert session["turn_detection"] is None
    assert session["input_audio_transcription"] == {"corpus": {"text": "robots"}}


async def test_json_output_is_nothing_but_json_lines(scripted_server, capsys):
    async with scripted_server(recognise) as server:
        assert await run(server, CLIP, OTHER_CLIP, json_output=True) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["type"], event["file"]) for event in events] == [
        ("preview", str(CLIP)),
        ("final", str(CLIP)),
        ("preview", str(OTHER_CLIP)),
        ("final", str(OTHER_CLIP)),
    ]


async def test_files_after_a_broken_one_are_still_tried(scripted_server, capsys, tmp_path):
    no_audio = tmp_path / "notes.txt"
    no_audio.write_text("not audio")
    async with scripted_server(recognise) as server:
        assert await run(server, tmp_path / "missing.wav", no_audio, CLIP) == 1
    output, complaints = capsys.readouterr()
    assert output == f"{CLIP}: [00:00.40 – 00:02.50] go forward\n"
    missing, broken, summary = complaints.splitlines()
    assert "missing.wav" in missing
    assert "notes.txt" in broken
    assert summary == "1 of 3 files transcribed"


async def test_connection_refused(dead_url, capsys):
    assert await run(dead_url) == 1
    output, complaints = capsys.readouterr()
    assert output == ""
    assert complaints == f"{CLIP}: cannot connect to {dead_url}: connection refused; is the server running?\n"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (("error", {"error": {"code": "COMMON_ERROR", "message": "<400> bad\nlanguage"}}), "<400> bad language"),
        ((FAILED, {"item_id": "a", "error": {"code": "server_error", "message": "No engine."}}), "No engine."),
    ],
)
async def test_an_error_of_the_server_is_one_line_and_the_rest_is_still_shown(scripted_server, capsys, event, expected):
    async def script(peer):
        await peer.set_up()
        await peer.until("session.finish")
        await peer.send(event[0], **event[1])
        await peer.send(COMPLETED, item_id="b", transcript="the rest", language="en")
        await peer.send("session.finished")
        await peer.until_closed()

    async with scripted_server(script) as server:
        assert await run(server) == 1
    output, complaints = capsys.readouterr()
    assert output == "the rest\n"
    (complaint,) = complaints.splitlines()
    assert expected in complaint


async def test_no_session_finished_is_a_failure(scripted_server, capsys):
    async def script(peer):
        await peer.set_up()
        await peer.until("session.finish")
        await peer.send(COMPLETED, item_id="a", transcript="all of it", language="en")

    async with scripted_server(script) as server:
        assert await run(server) == 1
    output, complaints = capsys.readouterr()
    assert output == "all of it\n"
    assert complaints == f"{CLIP}: the server closed the connection before session.finished\n"


async def test_ctrl_c_hangs_up_and_exits_with_130(scripted_server):
    streaming = asyncio.Event()

    async def script(peer):
        await peer.set_up()
        await peer.until("input_audio_buffer.append")
        streaming.set()
        await peer.until_closed()

    code = (
        "import sys; from qwen3_asr_realtime.client.command import run_transcribe;"
        "sys.exit(run_transcribe(sys.argv[2:], url=sys.argv[1]))"
    )
    async with scripted_server(script) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, server.url, CLIP, OTHER_CLIP),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(30):
                await streaming.wait()
                process.send_signal(signal.SIGINT)
                output, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert len(server.peers) == 1  # the second file is not tried
        await server.peers[0].connection.wait_closed()
    assert process.returncode == 130
    assert (output, complaints) == (b"", b"interrupted\n")
    assert server.peers[0].connection.close_code == 1000
