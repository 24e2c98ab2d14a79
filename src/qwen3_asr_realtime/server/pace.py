"""How fast one client may be: past that it is not refused but read no faster."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Pace:
    """A leaky bucket: what comes in fills it, time empties it, and whoever makes it run over waits until it has room.

    A client that keeps to the rate never waits, one that falls behind may catch up, and after a pause there is nothing
    saved up beyond the bucket itself.

    Args:
        rate_per_s: How much a second may bring in the long run; 0 means any amount.
        burst: How much may come at once.
        on_held: Called when the client begins to be held back, once until it has had a rest.
    """

    def __init__(self, rate_per_s: float, burst: float, on_held: Callable[[], None]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._on_held = on_held
        self._loop = asyncio.get_running_loop()
        self._level = 0.0
        self._seen_s = self._loop.time()
        self._is_held = False
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let whoever waits go on, and nobody wait from now on."""
        self._released.set()

    async def take(self, amount: float) -> None:
        """So much has come in; return when more may."""
        if not self._rate_per_s or self._released.is_set():
            return
        now_s = self._loop.time()
        left = max(0.0, self._level - (now_s - self._seen_s) * self._rate_per_s)
        self._level, self._seen_s = left + amount, now_s
        if not left:
            self._is_held = False
        excess = self._level - self._burst
        if excess <= 0:
            return
        if not self._is_held:
            self._is_held = True
            self._on_held()
        with suppress(TimeoutError):
            async with asyncio.timeout(excess / self._rate_per_s):
                await self._released.wait()
