"""Which signals are one, and which is one more."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from tests.server.harness import eventually

from qwen3_asr_realtime.server.signals import STOP_SIGNALS, StopSignals


class Heard:
    """A `StopSignals` whose clock the test sets, and what it has called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._monkeypatch = monkeypatch
        self.signals = StopSignals(lambda: self.calls.append("stop"))
        self.signals.on_force = lambda: self.calls.append("force")

    def at(self, *times_s: float) -> list[str]:
        """What is called for signals at these times."""
        for time_s in times_s:
            with self._monkeypatch.context() as patch:
                patch.setattr(asyncio.get_running_loop(), "time", lambda now_s=time_s: now_s)
                self.signals.stop()
        return self.calls


@pytest.fixture
async def heard(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Heard]:
    yield Heard(monkeypatch)
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_signals_that_come_together_are_one(heard: Heard) -> None:
    assert heard.at(100.0, 100.0, 100.5, 101.0) == ["stop"]


async def test_each_that_comes_later_forces(heard: Heard) -> None:
    assert heard.at(100.0, 101.5) == ["stop", "force"]
    assert heard.at(101.6) == ["stop", "force", "force"]


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_they_are_taken_back_from_whoever_took_them(heard: Heard, number: signal.Signals) -> None:
    asyncio.get_running_loop().remove_signal_handler(number)
    heard.signals.listen()
    os.kill(os.getpid(), number)
    await eventually(lambda: heard.calls == ["stop"])
