"""The end of the service's life: no new sessions, whoever speaks may finish, then all are told and closed."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

from qwen3_asr_realtime.server.inbox import Inbox, Notice

RESULTS_TIMEOUT_S = 10.0
"""Longest wait for the results of turns that were cut: as long as clients wait for theirs, within seconds."""

log = structlog.get_logger()


class Drain:
    """Knows the sessions that are open, and ends them.

    Attributes:
        begun: Whether the service is being stopped; no session is admitted any more.
    """

    def __init__(self) -> None:
        self.begun = False
        self._sessions: set[Inbox] = set()
        self._told: list[Notice] = []
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    @contextmanager
    def session(self, inbox: Inbox) -> Iterator[None]:
        """Have a session told, by way of its inbox, for the length of the block."""
        self._sessions.add(inbox)
        self._all_ended.clear()
        for notice in self._told:
            inbox.tell(notice)
        try:
            yield
        finally:
            self._sessions.discard(inbox)
            if not self._sessions:
                self._all_ended.set()

    async def run(self, timeout_s: float, on_cut: Callable[[int], object] = lambda cut: None) -> int:
        """End all sessions: each as soon as no item of it is open, at the latest when the time is over.

        Args:
            timeout_s: Time that open turns have to end by themselves, in seconds.
            on_cut: Told how many sessions are about to be cut, if any are.

        Returns:
            Sessions that had to be cut: their open turns were ended by the server.
        """
        self.begun = True
        began_s = monotonic()
        log.info("draining", sessions=len(self._sessions), timeout_s=timeout_s)
        self._tell(Notice.RETIRE)
        cut = 0
        if not await self._ended_within(timeout_s):
            cut = len(self._sessions)
            log.warning("drain cuts sessions", sessions=cut, limit="DRAIN_TIMEOUT_SEC")
            on_cut(cut)
            self._tell(Notice.CUT)
            await self._ended_within(RESULTS_TIMEOUT_S)
        summary = {"took_s": round(monotonic() - began_s, 1), "cut": cut, "left": len(self._sessions)}
        if self._sessions:
            log.warning("drained", **summary)
        else:
            log.info("drained", **summary)
        return cut

    def _tell(self, notice: Notice) -> None:
        self._told.append(notice)
        for inbox in self._sessions:
            inbox.tell(notice)

    async def _ended_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_ended.wait()
        except TimeoutError:
            return False
        return True
