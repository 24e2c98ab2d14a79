"""The clock the other tests of this room go by."""

import asyncio

import pytest
from tests.recognition.virtual_time import NothingLeftToHappenError, run


async def test_an_hour_passes():
    loop = asyncio.get_running_loop()

    await asyncio.sleep(3600)

    assert loop.time() == 3600


async def test_things_happen_in_order():
    happened = []

    async def happen(at_s):
        await asyncio.sleep(at_s)
        happened.append(at_s)

    await asyncio.gather(*(happen(at_s) for at_s in (3, 1, 2)))

    assert happened == [1, 2, 3]


def test_waiting_for_nothing_is_an_error_and_does_not_hang():
    with pytest.raises(NothingLeftToHappenError):
        run(asyncio.Event().wait())
