import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.server.inbox import FRAME_BYTES, Inbox
from qwen3_asr_realtime.server.pace import Pace

AMOUNTS = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=30)
"""Pauses in seconds, and what comes after each."""


async def taken(pace: Pace, arrivals: list[tuple[float, float]]) -> float:
    """When all of it has been taken."""
    for pause_s, amount in arrivals:
        await asyncio.sleep(pause_s)
        await pace.take(amount)
    return asyncio.get_running_loop().time()


@given(AMOUNTS, st.floats(0.5, 20), st.floats(0, 5))
def test_never_more_than_the_rate_and_one_burst(
    arrivals: list[tuple[float, float]], rate_per_s: float, burst: float
) -> None:
    async def scenario() -> float:
        return await taken(Pace(rate_per_s, burst, lambda: None), arrivals)

    assert sum(amount for _, amount in arrivals) <= run(scenario()) * rate_per_s + burst + 1e-6


@given(st.lists(st.floats(0.01, 3), max_size=30))
def test_who_keeps_to_the_rate_never_waits(amounts: list[float]) -> None:
    held: list[None] = []

    async def scenario() -> float:
        pace = Pace(2.0, max(amounts, default=0.0) + 1e-6, lambda: held.append(None))
        return await taken(pace, [(amount / 2.0, amount) for amount in amounts])

    assert run(scenario()) <= sum(amounts) / 2.0 + 1e-6
    assert not held


@given(AMOUNTS)
def test_without_a_rate_nobody_waits(arrivals: list[tuple[float, float]]) -> None:
    async def scenario() -> float:
        return await taken(Pace(0.0, 0.0, lambda: None), arrivals)

    assert run(scenario()) <= sum(pause_s for pause_s, _ in arrivals) + 1e-6


def test_being_held_is_told_once_each_time() -> None:
    held: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        await taken(Pace(1.0, 1.0, lambda: held.append(loop.time())), [(0, 2), (0, 1), (9, 0), (0, 3)])

    run(scenario())
    assert held == [0.0, 11.0]


def test_small_frames_add_up() -> None:
    async def scenario() -> int:
        inbox, count = Inbox(10_000, Pace(0.0, 0.0, lambda: None), Backlog(0)), 0
        while True:
            try:
                async with asyncio.timeout(1):
                    await inbox.put("{}")
            except TimeoutError:
                return count
            count += 1

    assert run(scenario()) == 10_000 // (FRAME_BYTES + 2)
