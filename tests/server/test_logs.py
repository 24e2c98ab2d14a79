"""What the log says, and what it never says."""

import asyncio
import base64
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from tests.server.harness import Client, eventually, running_server
from websockets.asyncio.client import connect

from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine

MANUAL = {"turn_detection": None}
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
KEY = "sk-0123456789abcdef-secret"
CONTEXT = "Honoria Glossop"

FAILING = """
import sys
from types import SimpleNamespace
import structlog
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.settings import Settings

configure_logs(Settings(_env_file=None, log_format=sys.argv[1], log_level="debug"))

def hear(transcript):
    raise ValueError("a fault")

try:
    hear("what somebody" + " said")
except ValueError:
    structlog.get_logger().exception("session failed")
"""


async def whole_session(url: str, speech: bytes) -> tuple[str, list[str]]:
    """Speak, with a key in all the places where there can be one; the transcript, and the audio as it was sent."""
    options: dict[str, Any] = {
        "additional_headers": {"Authorization": f"Bearer {KEY}"},
        "subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}"],
    }
    async with connect(f"{url}?model=m&api_key={KEY}", **options) as socket:
        client = Client(socket)
        await client.send(
            "session.update", session={"input_audio_transcription": {"language": "en", "corpus": {"text": CONTEXT}}}
        )
        await client.socket.send("no JSON, but what somebody typed")
        pieces = [speech[start : start + 3200] for start in range(0, len(speech), 3200)]
        for piece in pieces:
            await client.append(piece)
        events = await client.finish()
        [transcript] = [event["transcript"] for event in events if event["type"] == COMPLETED]
        await client.socket.send("{}")
    return transcript, [base64.b64encode(piece).decode() for piece in pieces]


@pytest.mark.parametrize("transcripts", [False, True])
def test_a_whole_session_at_debug_level(go_forward: bytes, tmp_path: Path, *, transcripts: bool) -> None:
    env = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "ASR_ENGINE": "scripted", "LOG_TRANSCRIPTS": str(transcripts)}
    with local_server(env=env, log_path=tmp_path / "log") as server:
        transcript, audio = asyncio.run(whole_session(server.url, go_forward))
    text = (tmp_path / "log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]

    assert transcript.startswith("w1 w2 w3")
    assert [line["event"] for line in lines if line["logger"].startswith("qwen3")][:2] == ["ready", "session opened"]
    assert [line.get("transcript") for line in lines if line["event"] == "utterance"] == [
        transcript if transcripts else None
    ]
    assert ("w1 w2" in text) is transcripts
    secrets = [KEY, CONTEXT, "somebody typed", *audio, *(piece[:64] for piece in audio)]
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_does_not_show_the_values_of_variables(style: str, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "failing.py"), style],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a fault" in done.stderr
    assert "what somebody said" not in done.stderr


@pytest.mark.parametrize(
    ("engine", "last"),
    [
        (ScriptedEngine(), COMPLETED),
        (ScriptedEngine(lambda _: Reply(Hypothesis("many words " * 200, "en"))), COMPLETED),
        (ScriptedEngine(lambda _: Reply(error="no")), FAILED),
    ],
    ids=["completed", "doubted", "failed"],
)
async def test_every_line_names_its_session_and_item(go_forward: bytes, engine: ScriptedEngine, last: str) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with running_server(engine) as server:
            async with server.session(**MANUAL) as client:
                await client.append(go_forward)
                await client.send("input_audio_buffer.commit")
                item_id = (await client.until(last))[-1]["item_id"]
            await eventually(lambda: not server.service.connections)
    opened, *of_item, closed = lines
    assert (opened["event"], closed["event"]) == ("session opened", "session closed")
    assert {line["session_id"] for line in lines} == {opened["session_id"]}
    assert of_item[-1]["event"] == "utterance"
    assert {line["item_id"] for line in of_item} == {item_id}
    assert "item_id" not in closed


def test_libraries_do_not_write_down_what_they_carry(tmp_path: Path) -> None:
    script = (
        "import logging\n"
        "from qwen3_asr_realtime.server.logs import configure_logs\n"
        "from qwen3_asr_realtime.settings import Settings\n"
        "configure_logs(Settings(_env_file=None, log_level='debug'))\n"
        "for name in ('uvicorn.error', 'httpx', 'httpcore.http11', 'websockets.server'):\n"
        "    print(logging.getLogger(name).getEffectiveLevel())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(logging.WARNING)] * 4
