import asyncio

from tests.load.material import recording

from qwen3_asr_realtime.load.session import Pace
from qwen3_asr_realtime.load.worker import Orders, Start, work


async def test_what_is_stopped_before_it_began_is_interrupted_and_not_broken():
    stop = asyncio.Event()
    stop.set()
    starts = [Start(session, after_s=1000.0) for session in range(2)]
    orders = Orders("ws://nowhere", None, [], Pace("vad", 100, 1.0, None, None), 10.0, 1, starts)
    logs = await work(orders, [recording()], stop)
    assert [(log.session, log.interrupted, log.failure) for log in logs] == [(0, True, ""), (1, True, "")]
