import asyncio
import json
import signal
import sys
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from qwen3_asr_realtime.cli import app
from qwen3_asr_realtime.load.command import Plan, run_bench
from qwen3_asr_realtime.load.session import Pace


@pytest.mark.parametrize("mode", ["vad", "manual"])
def test_a_short_test_from_start_to_end(server, tmp_path, mode):
    output = StringIO()
    plan = Plan(
        sessions=[1, 3],
        duration_s=2.0,
        audio=(),
        pace=Pace(mode, 100, None, None, None),
        limits={"max-lost": 0, "max-duplicates": 0, "max-errors": 0, "max-wer": 0.01},
        json_file=tmp_path / "report.json",
        html_file=tmp_path / "report.html",
    )
    assert run_bench(plan, server.url, server_pid=server.pid, console=Console(file=output)) == 1
    report = json.loads(plan.json_file.read_text())
    assert [(stage["sessions"], stage["utterances"]) for stage in report["stages"]] == [(1, 1), (3, 3)]
    assert [stage["final_ms"]["count"] for stage in report["stages"]] == [1, 3]
    assert all(stage["server"]["rss_mib"] > 0 for stage in report["stages"])
    # The engine invents its words, and everything else must be right.
    assert [verdict["name"] for verdict in report["verdicts"] if not verdict["within"]] == ["max-wer"]
    assert "BEYOND --max-wer 0.01" in output.getvalue()
    assert plan.html_file.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--url", "ws://127.0.0.1:{port}"], "connection refused"),
        (["--url", "ws://127.0.0.1:{port}", "--audio", "missing.wav"], "missing.wav"),
        (["--sessions", "1,none"], "--sessions"),
        (["--speed", "0"], "--speed"),
    ],
)
def test_what_keeps_it_from_running_is_said(options, complaint, unused_tcp_port, capfd):
    result = CliRunner().invoke(app, ["bench", *(option.format(port=unused_tcp_port) for option in options)])
    assert result.exit_code == 2
    assert complaint in result.stderr + capfd.readouterr().err


async def test_ctrl_c_gives_the_report_of_what_there_is(listener, tmp_path):
    path = tmp_path / "report.json"
    async with listener() as (url, heard):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "qwen3_asr_realtime", "bench", "--url", url),
            *("--sessions", "2,2", "--duration", "600", "--json", path),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60):
                await heard.wait()
                process.send_signal(signal.SIGINT)
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 130
    report = json.loads(path.read_text())
    assert report["interrupted"] is True
    (stage,) = report["stages"]
    assert (stage["interrupted"], stage["lost"], stage["errors"]) == (True, 0, {})
    assert b"interrupted" in output
