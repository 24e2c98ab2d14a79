"""Keeping an engine alive: notice that it died, start it again, and say meanwhile that it is down.

start ▶ up ─died▶ down ─wait▶ launch ─ok▶ up
                    ▲           │failed
                    └───────────┘
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import structlog

from qwen3_asr_realtime.backoff import BackOff
from qwen3_asr_realtime.engines.base import Condition, EngineError, EngineStatus

CHECK_S: Final = 0.25
"""Between two looks at an engine. Its requests learn of its death from itself; this is for one that is idle."""

DEAD: Final = "the engine stopped and is being restarted"
STOPPED: Final = "the engine is stopped"

log = structlog.get_logger()


class Running(Protocol):
    """An engine that is up, or was."""

    @property
    def is_dead(self) -> bool:
        """Whether it will not answer any more."""
        ...

    async def close(self) -> None:
        """End it and free everything, dead or alive; running requests fail."""
        ...


RunningT = TypeVar("RunningT", bound=Running)


class Supervisor(Generic[RunningT]):
    """Owner of one engine and of its successors."""

    def __init__(self, launch: Callable[[], Awaitable[RunningT]], max_backoff_s: float) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            launch: Starts an engine. Raises `EngineError` if it does not start, and leaves nothing behind then or when
                cancelled.
            max_backoff_s: Longest wait between two launches.
        """
        self._launch = launch
        self._max_backoff_s = max_backoff_s
        self._start_or_stop = asyncio.Lock()
        self._running: RunningT | None = None
        self._task: asyncio.Task[None] | None = None
        self._reason = STOPPED
        self._restarts = 0

    @property
    def status(self) -> EngineStatus:
        """OK while the engine is up, else DOWN."""
        if self._running is not None and not self._running.is_dead:
            return EngineStatus(restarts=self._restarts)
        return EngineStatus(Condition.DOWN, self._reason if self._running is None else DEAD, self._restarts)

    def running(self) -> RunningT:
        """The engine that is up.

        Raises:
            EngineError: It is down; the message says why.
        """
        if self._running is None:
            raise EngineError(self._reason)
        if self._running.is_dead:  # noticed before the next look
            raise EngineError(DEAD)
        return self._running

    async def start(self) -> None:
        """Launch the engine, and from then on watch it. Does nothing if it is started already.

        Raises:
            EngineError: It does not start. That is the operator's to mend: it is not tried again.
        """
        async with self._start_or_stop:
            if self._task is None:
                self._running = await self._launch()
                self._task = asyncio.create_task(self._keep_alive(self._running), name="engine supervision")

    async def stop(self) -> None:
        """End the engine, or the attempts to start it again. Safe to call twice."""
        async with self._start_or_stop:
            self._reason = STOPPED
            if self._task is not None:
                self._task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._task
                self._task = None
            running, self._running = self._running, None
            if running is not None:
                await self._close(running)

    # --- private -----------------------------------------------------------------------------------------------------

    async def _keep_alive(self, running: RunningT) -> None:
        clock = asyncio.get_running_loop().time
        back_off = BackOff(self._max_backoff_s)
        while True:
            started_at_s = clock()
            while not running.is_dead:  # noqa: ASYNC110 - vLLM sets a flag in a thread of its own and tells nobody
                await asyncio.sleep(CHECK_S)
            lived_s = clock() - started_at_s
            log.error("engine died", lived_s=round(lived_s, 1))
            await self._close(running)
            self._running, self._reason = None, DEAD
            running = await self._relaunch(back_off, lived_s)
            self._restarts += 1
            self._running = running
            log.info("engine restarted", restarts=self._restarts)

    async def _relaunch(self, back_off: BackOff, lived_s: float) -> RunningT:
        while True:
            wait_s = back_off.after(lived_s)
            log.info("engine restarts", in_s=wait_s)
            await asyncio.sleep(wait_s)
            try:
                return await self._launch()
            except EngineError as error:
                log.error("engine not started", reason=str(error))  # noqa: TRY400 - the message says it all
                self._reason = f"{DEAD}: {error}"
            except Exception:  # whatever it is, giving up for good would be worse
                log.exception("engine not started")
                self._reason = f"{DEAD}; the log says why it did not start"
            lived_s = 0.0

    async def _close(self, running: RunningT) -> None:
        try:
            await running.close()
        except Exception:  # it is dead or given up; what ends it badly must not keep the next one from coming
            log.exception("engine not closed")
