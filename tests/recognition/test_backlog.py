import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.recognition.virtual_time import everything_ready, run

from qwen3_asr_realtime.recognition.backlog import Backlog


async def test_there_is_room_up_to_the_limit():
    backlog = Backlog(10)
    backlog.add(10)

    await backlog.room()

    assert backlog.amount == 10


async def test_past_it_one_waits_until_enough_is_done():
    backlog = Backlog(10)
    backlog.add(15)
    waiting = asyncio.create_task(backlog.room())
    await everything_ready()
    backlog.remove(4)
    await everything_ready()
    assert not waiting.done()
    assert backlog.is_full

    backlog.remove(1)
    await everything_ready()
    assert not backlog.is_full

    assert waiting.done()


@given(changes=st.lists(st.integers(-20, 20)))
def test_there_is_room_exactly_while_no_more_than_the_limit_waits(changes):
    async def scenario():
        backlog = Backlog(10)
        for change in changes:
            if change > 0:
                backlog.add(change)
            else:
                backlog.remove(min(-change, backlog.amount))
            waiting = asyncio.create_task(backlog.room())
            await everything_ready()
            assert waiting.done() == (backlog.amount <= 10)
            waiting.cancel()

    run(scenario())
