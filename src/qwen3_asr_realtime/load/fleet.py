"""Runs a stage: the processes of the clients, their progress, and what the server uses meanwhile."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence

import msgspec

from qwen3_asr_realtime.load.conversation import mean_period_s
from qwen3_asr_realtime.load.measuring import Run
from qwen3_asr_realtime.load.recordings import Recording, Source
from qwen3_asr_realtime.load.session import SPARE_S, Pace, SessionLog
from qwen3_asr_realtime.load.usage import Usage, usage
from qwen3_asr_realtime.load.worker import Orders, Progress, Ready, Report, Start

FRAMES_PER_PROCESS_S = 2000
"""Frames a second that one client process sends and stays punctual: at 0.1 ms of CPU time for a frame and its share of
the answers, a fifth of a core."""

_USAGE_INTERVAL_S = 1.0
_STOP_TIMEOUT_S = 10.0
_LINE_LIMIT_BYTES = 2**30
"""Longest line a worker may write; that of an hour with a preview every half second has 2 MB."""

OnProgress = Callable[[Progress], None]


class FleetError(Exception):
    """A client process failed; the message is one line for the user."""


class Fleet:
    """Clients on this machine, in processes of their own.

    Args:
        url: WebSocket address of the server.
        api_key: Key to show to it.
        sources: What to send.
        recordings: The same, read.
        pace: How to send it.
        duration_s: Audio of one session.
        seed: Which conversations.
        server_pid: The server's process, if it is known and on this machine.
        stop: Once set, what runs is cut short.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str | None,
        sources: Sequence[Source],
        recordings: Sequence[Recording],
        pace: Pace,
        duration_s: float,
        seed: int,
        server_pid: int | None,
        stop: asyncio.Event,
    ) -> None:
        self._orders = Orders(url, api_key, list(sources), pace, duration_s, seed, [])
        self._recordings = list(recordings)
        self._server_pid = server_pid
        self._stop = stop
        speed = pace.speed
        # Over the time from one utterance to the next, so that not everybody speaks and pauses at once.
        self._stagger_s = 0.0 if speed is None else min(mean_period_s(recordings), duration_s / 2) / speed
        self._bound_s = duration_s / (speed or 1.0) + self._stagger_s + 2 * SPARE_S

    async def run(self, sessions: int, on_progress: OnProgress) -> Run:
        """Hold so many sessions at a time, from first to last.

        Raises:
            FleetError: A client process failed.
        """
        starts = [Start(session, self._stagger_s * session / sessions) for session in range(sessions)]
        processes = self._processes(sessions)
        progress: dict[int, Progress] = {}

        def note(worker: int) -> OnProgress:
            def noted(report: Progress) -> None:
                progress[worker] = report
                on_progress(_sum(progress.values()))

            return noted

        go = asyncio.Barrier(processes)
        began_s = time.monotonic()
        failure: FleetError | None = None
        working: list[asyncio.Task[list[SessionLog]]] = []
        async with _Watch(self._server_pid) as watch:
            try:
                async with asyncio.timeout(self._bound_s), asyncio.TaskGroup() as tasks:
                    working += [
                        tasks.create_task(
                            self._attend(starts[worker::processes], go, note(worker)), name=f"load-worker-{worker}"
                        )
                        for worker in range(processes)
                    ]
            except* FleetError as errors:
                failure = FleetError(str(errors.exceptions[0]))
            except* TimeoutError:
                failure = FleetError(f"the client processes were not done after {self._bound_s:.0f} s")
        if failure is not None:
            raise failure
        logs = sorted((log for task in working for log in task.result()), key=lambda log: log.session)
        return Run(
            recordings=self._recordings,
            conversations=[self._orders.conversation(log.session, self._recordings) for log in logs],
            logs=logs,
            wall_s=time.monotonic() - began_s,
            processes=processes,
            server=watch.used,
        )

    def _processes(self, sessions: int) -> int:
        pace = self._orders.pace
        cores = os.cpu_count() or 1
        if pace.speed is None:
            return min(sessions, cores)
        frames_per_s = sessions * 1000 / pace.frame_ms * pace.speed
        return max(1, min(sessions, cores, round(frames_per_s / FRAMES_PER_PROCESS_S)))

    async def _attend(self, starts: list[Start], go: asyncio.Barrier, note: OnProgress) -> list[SessionLog]:
        """Start a worker, give it its orders, and stay until it has told everything."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "qwen3_asr_realtime.load.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT_BYTES,
            # Ctrl-C is for the process that makes the report; it tells the workers.
            process_group=0,
        )
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise FleetError("a client process has no pipes")
        stopping = asyncio.create_task(self._close_when_stopped(stdin), name="load-stop-worker")
        logs: list[SessionLog] = []
        try:
            stdin.write(msgspec.json.encode(msgspec.structs.replace(self._orders, starts=starts)) + b"\n")
            async for line in stdout:
                match msgspec.json.decode(line, type=Report):
                    case Ready():
                        await go.wait()
                        if not self._stop.is_set():
                            stdin.write(b"go\n")
                    case Progress() as report:
                        note(report)
                    case SessionLog() as log:
                        logs.append(log)
            status = await process.wait()
        finally:
            stopping.cancel()
            await _end(process)
        if len(logs) < len(starts) and not self._stop.is_set():
            raise FleetError(f"a client process ended with status {status}")
        return logs

    async def _close_when_stopped(self, stdin: asyncio.StreamWriter) -> None:
        await self._stop.wait()
        stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)


def _sum(reports: Collection[Progress]) -> Progress:
    return Progress(
        talking=sum(report.talking for report in reports),
        sent_ms=sum(report.sent_ms for report in reports),
        finals=sum(report.finals for report in reports),
        failures=sum(report.failures for report in reports),
        late_ms=max(report.late_ms for report in reports),
    )


class _Watch:
    """Looks at the server's process while the context lasts.

    Attributes:
        used: CPU seconds in that time and the largest memory in MiB; None if it cannot be seen.
    """

    def __init__(self, pid: int | None) -> None:
        self.used: tuple[float, float] | None = None
        self._pid = pid
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> "_Watch":
        self._task = asyncio.create_task(self._look(), name="load-usage")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        before = self._usage()
        if before is None:
            return
        rss_mib = before.rss_mib
        try:
            while now := self._usage():
                rss_mib = max(rss_mib, now.rss_mib)
                self.used = now.cpu_s - before.cpu_s, rss_mib
                await asyncio.sleep(_USAGE_INTERVAL_S)
        except asyncio.CancelledError:
            if last := self._usage():
                self.used = last.cpu_s - before.cpu_s, max(rss_mib, last.rss_mib)
            raise

    def _usage(self) -> Usage | None:
        return None if self._pid is None else usage(self._pid)
