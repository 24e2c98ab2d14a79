import asyncio

import pytest
from structlog.testing import capture_logs
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.backoff import SETTLED_S, BackOff
from qwen3_asr_realtime.engines.base import Condition, EngineError, EngineStatus
from qwen3_asr_realtime.engines.vllm.local.supervision import Supervisor


class FakeEngine:
    def __init__(self) -> None:
        self.is_dead = False
        self.closed = 0
        self.ends_badly = False

    async def close(self) -> None:
        self.closed += 1
        if self.ends_badly:
            raise RuntimeError("it was half gone")


class Factory:
    """Launches engines and remembers when; the launches in `failing` fail, those after `hanging` never end."""

    def __init__(self, failing=(), hanging=None, launch_s=5.0, error: Exception | None = None) -> None:
        self.engines: list[FakeEngine] = []
        self.launched_at_s: list[float] = []
        self.given_up = 0
        self._failing = failing
        self._error = error or EngineError("no memory")
        self._hanging = hanging
        self._launch_s = launch_s

    async def __call__(self) -> FakeEngine:
        number = len(self.launched_at_s)
        self.launched_at_s.append(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(1e9 if self._hanging is not None and number >= self._hanging else self._launch_s)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if number in self._failing:
            raise self._error
        self.engines.append(FakeEngine())
        return self.engines[-1]


def test_waits_double_up_to_the_bound_and_begin_anew_after_a_long_life() -> None:
    back_off = BackOff(max_s=10)

    waits = [back_off.after(lived_s) for lived_s in (0, 60, 0, 0, 0, SETTLED_S, 0)]

    assert waits == [1, 2, 4, 8, 10, 1, 2]


def test_an_engine_that_dies_is_down_and_then_another_is_up() -> None:
    async def scenario() -> None:
        factory = Factory()
        supervisor = Supervisor(factory, max_backoff_s=60)
        await supervisor.start()
        assert supervisor.running() is factory.engines[0]
        assert supervisor.status == EngineStatus(Condition.OK)

        factory.engines[0].is_dead = True

        with pytest.raises(EngineError, match="is being restarted"):  # at once, before anybody has looked
            supervisor.running()
        assert supervisor.status == EngineStatus(Condition.DOWN, "the engine stopped and is being restarted", 0)
        await asyncio.sleep(4)
        assert factory.engines[0].closed == 1
        with pytest.raises(EngineError, match="is being restarted"):
            supervisor.running()
        assert supervisor.status.condition == Condition.DOWN

        await asyncio.sleep(4)
        assert supervisor.running() is factory.engines[1]
        assert supervisor.status == EngineStatus(Condition.OK, "", restarts=1)
        await supervisor.stop()

    run(scenario())


def test_restarts_that_fail_are_tried_again_with_growing_waits_and_their_reason_is_told() -> None:
    async def scenario() -> None:
        factory = Factory(failing={1, 2, 3}, launch_s=0)
        supervisor = Supervisor(factory, max_backoff_s=4)
        await supervisor.start()
        factory.engines[0].is_dead = True

        await asyncio.sleep(2)
        assert supervisor.status.reason == "the engine stopped and is being restarted: no memory"
        await asyncio.sleep(30)

        first = factory.launched_at_s[1]
        assert [at_s - first for at_s in factory.launched_at_s[2:]] == pytest.approx([2, 6, 10])
        assert supervisor.status == EngineStatus(Condition.OK, "", restarts=1)
        await supervisor.stop()

    run(scenario())


def test_what_nobody_foresaw_does_not_end_the_attempts() -> None:
    async def scenario() -> None:
        factory = Factory(failing={1, 2}, launch_s=0, error=BrokenPipeError("the guardian is gone"))
        supervisor = Supervisor(factory, max_backoff_s=4)
        await supervisor.start()
        factory.engines[0].is_dead = True

        with capture_logs() as logs:
            await asyncio.sleep(2)
            assert supervisor.status.condition == Condition.DOWN
            assert supervisor.status.reason.endswith("the log says why it did not start")
            await asyncio.sleep(30)

        first = factory.launched_at_s[1]
        assert [at_s - first for at_s in factory.launched_at_s[2:]] == pytest.approx([2, 6])
        assert sum("exc_info" in line for line in logs) == 2
        assert supervisor.status == EngineStatus(Condition.OK, "", restarts=1)
        await supervisor.stop()

    run(scenario())


def test_an_engine_that_ends_badly_is_replaced_and_stopped_all_the_same() -> None:
    async def scenario() -> None:
        factory = Factory(launch_s=0)
        supervisor = Supervisor(factory, max_backoff_s=4)
        await supervisor.start()
        factory.engines[0].ends_badly = factory.engines[0].is_dead = True

        await asyncio.sleep(10)

        assert supervisor.running() is factory.engines[1]
        factory.engines[1].ends_badly = True
        await supervisor.stop()
        assert [engine.closed for engine in factory.engines] == [1, 1]

    run(scenario())


def test_an_engine_that_keeps_dying_soon_is_started_ever_more_rarely() -> None:
    async def scenario() -> None:
        factory = Factory(launch_s=0)
        supervisor = Supervisor(factory, max_backoff_s=60)
        await supervisor.start()
        for _ in range(4):
            supervisor.running().is_dead = True
            await asyncio.sleep(20)
        assert supervisor.status.restarts == 4
        deaths_s = [0, 20, 40, 60]
        waits = [at - death for at, death in zip(factory.launched_at_s[1:], deaths_s, strict=True)]
        assert waits == pytest.approx([1, 2, 4, 8], abs=0.3)
        await supervisor.stop()

    run(scenario())


def test_a_first_start_that_fails_is_the_operator_s_to_mend() -> None:
    async def scenario() -> None:
        factory = Factory(failing={0})
        supervisor = Supervisor(factory, max_backoff_s=60)

        with pytest.raises(EngineError, match="no memory"):
            await supervisor.start()

        await asyncio.sleep(1000)
        assert len(factory.launched_at_s) == 1
        await supervisor.stop()

    run(scenario())


def test_stopping_closes_the_engine_and_starts_no_other() -> None:
    async def scenario() -> None:
        factory = Factory()
        supervisor = Supervisor(factory, max_backoff_s=60)
        await supervisor.start()
        await supervisor.start()

        await supervisor.stop()
        await supervisor.stop()

        await asyncio.sleep(1000)
        assert factory.engines[0].closed == 1
        assert len(factory.launched_at_s) == 1
        assert supervisor.status == EngineStatus(Condition.DOWN, "the engine is stopped")
        with pytest.raises(EngineError, match="the engine is stopped"):
            supervisor.running()

    run(scenario())


def test_stopping_gives_up_a_restart() -> None:
    async def scenario() -> None:
        factory = Factory(hanging=1)
        supervisor = Supervisor(factory, max_backoff_s=60)
        await supervisor.start()
        factory.engines[0].is_dead = True
        await asyncio.sleep(10)

        await supervisor.stop()

        assert factory.given_up == 1
        assert supervisor.status.reason == "the engine is stopped"

    run(scenario())


def test_it_can_be_started_again_after_it_was_stopped() -> None:
    async def scenario() -> None:
        factory = Factory()
        supervisor = Supervisor(factory, max_backoff_s=60)
        await supervisor.start()
        await supervisor.stop()

        await supervisor.start()

        assert supervisor.running() is factory.engines[1]
        await supervisor.stop()

    run(scenario())
