"""What is in no log and no metric, and what a client cannot put there."""

import json
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest
from tests.server.harness import REALTIME, running_server
from tests.server.served_logs import logging_as_served
from tests.server.test_realtime import COMPLETED, FAILED, MANUAL

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.engines.scripted import Reply, ScriptedEngine

SAID = "the password is swordfish"
CONTEXT = "names that nobody else should know: Rumpelstilzchen"


@pytest.mark.parametrize("reply", [Reply(Hypothesis(SAID)), Reply(error="out of memory")], ids=["heard", "failed"])
async def test_what_was_said_is_in_no_log_and_no_metric(
    go_forward: bytes, reply: Reply, capfd: pytest.CaptureFixture[str]
) -> None:
    with logging_as_served("json"):
        async with running_server(ScriptedEngine(lambda call: reply)) as server:
            transcription = {"corpus": {"text": CONTEXT}}
            async with server.session(**MANUAL, input_audio_transcription=transcription) as client:
                await client.append(go_forward)
                await client.send("input_audio_buffer.commit")
                [*_, final] = await client.until(FAILED if reply.error else COMPLETED)
                await client.send("session.update", session={"sample_rate": CONTEXT})
                await client.socket.send("{" + CONTEXT)
                await client.finish()
            metrics = generate_latest(server.service.metrics.registry).decode()
    assert final.get("transcript", SAID) == SAID
    logged = capfd.readouterr().err
    assert "session opened" in logged
    for words in ("swordfish", "Rumpelstilzchen"):
        assert words not in logged
        assert words not in metrics


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_client_cannot_forge_a_line_of_the_log(log_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    forged = "2026-01-01%2000:00:00%20[info]%20forged"
    with logging_as_served(log_format):
        async with running_server() as server, server.connect(f"{REALTIME}?model=m%0D%0A{forged}%1B[2J") as client:
            await client.finish()
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "forged" in line] == [line for line in lines if "session opened" in line]
    assert len([line for line in lines if "forged" in line]) == 1
    assert "\x1b[2J" not in "".join(lines)


async def test_a_client_cannot_fill_the_log_with_a_name(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_as_served("json"):
        path, headers = f"{REALTIME}?model={'m' * 5000}", {"User-Agent": "u" * 5000}
        async with running_server() as server, server.connect(path, additional_headers=headers) as client:
            await client.finish()
    (opened,) = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "session opened" in line]
    assert (len(opened["model"]), len(opened["user_agent"])) == (200, 200)


async def test_health_does_not_say_where_things_are(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sk-of-acme-0123456789")
    async with running_server(api_keys_file=str(keys)) as server, httpx.AsyncClient() as client:
        address = f"http://127.0.0.1:{server.port}"
        pages = [(await client.get(address + path)).text for path in ("/", "/health", "/ready", "/openapi.json")]
    assert not [page for page in pages if str(tmp_path) in page or "sk-of-acme" in page]
