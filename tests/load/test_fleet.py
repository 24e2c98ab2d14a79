import asyncio

import pytest
from tests.load.material import recording

from qwen3_asr_realtime.load.fleet import Fleet, FleetError
from qwen3_asr_realtime.load.recordings import Source
from qwen3_asr_realtime.load.session import Pace


def fleet(url, sources, stop):
    return Fleet(
        url=url,
        api_key=None,
        sources=sources,
        recordings=[recording()],
        pace=Pace("vad", 100, None, None, None),
        duration_s=1.0,
        seed=1,
        server_pid=None,
        stop=stop,
    )


async def test_a_client_process_that_fails_fails_the_stage(capfd):
    with pytest.raises(FleetError, match="status 1"):
        await fleet("ws://nowhere", [Source("missing.wav")], asyncio.Event()).run(2, lambda progress: None)
    assert "missing.wav" in capfd.readouterr().err


async def test_a_stop_before_the_start_leaves_nothing():
    stop = asyncio.Event()
    stop.set()
    run = await fleet("ws://nowhere", [Source("missing.wav")], stop).run(2, lambda progress: None)
    assert run.logs == []
