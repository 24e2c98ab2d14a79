"""The `bench` command: a server's address in, figures and an exit code out."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.load.display import Display, choose_display
from qwen3_asr_realtime.load.figures import Report, SentRecording, Stage
from qwen3_asr_realtime.load.fleet import Fleet, FleetError
from qwen3_asr_realtime.load.limits import judge
from qwen3_asr_realtime.load.measuring import compared, measure
from qwen3_asr_realtime.load.page import page
from qwen3_asr_realtime.load.recordings import (
    Recording,
    RecordingError,
    Source,
    find_sources,
    read_recording,
    speech_ms,
)
from qwen3_asr_realtime.load.session import Pace

EXIT_OK = 0
EXIT_BEYOND = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a test is to try.

    Attributes:
        sessions: Numbers of sessions at a time, one stage after the other.
        observe: Is told each stage before the next number is taken.
        duration_s: Audio of each session in seconds.
        audio: Recordings or manifests; the built-in recordings if empty.
        pace: How sessions speak.
        seed: Which conversations.
        limits: What the worst stage may have, by the names of `limits.LIMITS`.
        json_file: Where to write the report for machines.
        html_file: Where to write the report with plots.
    """

    sessions: Iterable[int]
    duration_s: float
    audio: Sequence[Path]
    pace: Pace
    observe: Callable[[Stage], None] = lambda stage: None
    seed: int = 1
    limits: Mapping[str, float] = field(default_factory=dict)
    json_file: Path | None = None
    html_file: Path | None = None


def run_bench(
    plan: Plan,
    url: str,
    *,
    api_key: str | None = None,
    server_pid: int | None = None,
    console: Console | None = None,
) -> int:
    """Put a server under load, stage by stage, and report what its clients saw.

    Ctrl-C ends the test early and gives the report of what there is. What keeps the test from running is one line on
    standard error.

    Args:
        plan: What to try.
        url: WebSocket address of the server.
        api_key: Key to show to it.
        server_pid: Its process on this machine, to measure what it uses.
        console: Where to write; standard output if None.

    Returns:
        The exit code: 0 within all limits, 1 beyond one, 2 if the test could not run, 130 after Ctrl-C.
    """
    try:
        sources = find_sources(plan.audio, language=plan.pace.language)
        recordings = [read_recording(source) for source in sources]
        bench = _Bench(plan, url, api_key, server_pid, sources, recordings, choose_display(console or Console()))
        report = asyncio.run(bench.run())
        bench.display.report(report)
        if plan.json_file is not None:
            plan.json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        if plan.html_file is not None:
            plan.html_file.write_text(page(report), encoding="utf-8", errors="replace")
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except (RecordingError, AudioError, ClientError, FleetError, OSError) as error:
        return _complain(str(error), EXIT_USAGE)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OK if all(verdict.within for verdict in report.verdicts) else EXIT_BEYOND


@dataclass(frozen=True, slots=True)
class _Bench:
    """One test."""

    plan: Plan
    url: str
    api_key: str | None
    server_pid: int | None
    sources: Sequence[Source]
    recordings: Sequence[Recording]
    display: Display

    async def run(self) -> Report:
        # If nobody answers at all, one line says it better than a table.
        async with RealtimeClient(self.url, api_key=self.api_key):
            pass
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            stop.set()
            # The second Ctrl-C does not wait for a report.
            loop.remove_signal_handler(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, interrupt)
        stages = await self._stages(stop)
        base = next((stage for stage in stages if stage.sessions == 1), None)
        if base is not None:
            stages = [compared(stage, base) for stage in stages]
        return self._report(started_at, stages, interrupted=stop.is_set())

    async def _stages(self, stop: asyncio.Event) -> list[Stage]:
        plan = self.plan
        fleet = Fleet(
            url=self.url,
            api_key=self.api_key,
            sources=self.sources,
            recordings=self.recordings,
            pace=plan.pace,
            duration_s=plan.duration_s,
            seed=plan.seed,
            server_pid=self.server_pid,
            stop=stop,
        )
        stages: list[Stage] = []
        for sessions in plan.sessions:
            with self.display.stage(sessions, sessions * plan.duration_s) as on_progress:
                run = await fleet.run(sessions, on_progress)
            if run.logs:
                stages.append(measure(run))
                self.display.result(stages[-1])
                plan.observe(stages[-1])
            if stop.is_set():
                break
        return stages

    def _report(self, started_at: str, stages: list[Stage], *, interrupted: bool) -> Report:
        plan = self.plan
        return Report(
            version=__version__,
            started_at=started_at,
            url=self.url,
            mode=plan.pace.mode,
            speed=plan.pace.speed,
            frame_ms=plan.pace.frame_ms,
            silence_ms=plan.pace.silence_ms,
            language=plan.pace.language,
            duration_s=plan.duration_s,
            seed=plan.seed,
            recordings=[
                SentRecording(recording.name, speech_ms(recording), recording.transcript)
                for recording in self.recordings
            ],
            stages=stages,
            verdicts=judge(stages, plan.limits),
            interrupted=interrupted,
        )


def _complain(line: str, status: int) -> int:
    sys.stderr.write(f"qwen3-asr-realtime: {line}\n")
    return status
