"""The measures that nobody reports when they change: they are looked at twice a second, and when somebody asks."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import process_time

from prometheus_client import Counter

from qwen3_asr_realtime.engines.base import Condition
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.server.metrics import Metrics

INTERVAL_S = 0.5

_MIB = 1024 * 1024
_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")


class Sampler:
    """Brings what others count to the metrics.

    Args:
        metrics: Where it goes.
        recogniser: Engine, queue and guards.
    """

    def __init__(self, metrics: Metrics, recogniser: Recogniser) -> None:
        self._metrics = metrics
        self._recogniser = recogniser
        self._seen: dict[Counter, float] = {}

    def sample(self) -> None:
        """Look at everything."""
        metrics, scheduler, status = self._metrics, self._recogniser.scheduler, self._recogniser.engine.status
        metrics.queue_depth.set(scheduler.waiting)
        metrics.decodes_running.set(scheduler.running)
        metrics.slots.set(scheduler.limit.slots)
        metrics.engine_up.set(status.condition is not Condition.DOWN)
        metrics.engine_degraded.set(status.condition is Condition.DEGRADED)
        self._advance(metrics.engine_restarts, status.restarts)
        self._advance(metrics.prompt_tokens, status.prompt_tokens)
        self._advance(metrics.cached_tokens, status.cached_tokens)
        for reason, times in self._recogniser.doubts.items():
            self._advance(metrics.guard_trips.labels(reason), times)
        metrics.resident_memory.set(resident_mib() * _MIB)
        with suppress(OSError):  # there is no /proc here
            metrics.open_fds.set(len(os.listdir(_DESCRIPTORS)))
        self._advance(metrics.cpu_seconds, process_time())

    async def run(self) -> None:
        """Look again and again, and see how late each time is."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + INTERVAL_S
            await asyncio.sleep(INTERVAL_S)
            self._metrics.loop_lag.observe(max(0.0, loop.time() - due_s))
            self.sample()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do that for the length of the block."""
        task = asyncio.create_task(self.run(), name="sampling")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _advance(self, counter: Counter, total: float) -> None:
        """Bring a counter to a total; one that has fallen has begun again at zero."""
        seen = self._seen.get(counter, 0)
        counter.inc(total - seen if total >= seen else total)
        self._seen[counter] = total


def resident_mib() -> float:
    """Resident memory of this process in MiB; where there is no `/proc`, the most it ever was."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / _MIB
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / _MIB if sys.platform == "darwin" else peak / 1024
