"""The server, with the CPU time of every event-loop callback measured.

    CALLBACKS_FILE=out.npy python benchmarks/servers/callback_server.py

Runs on asyncio's own loop, whose callbacks can be wrapped; uvloop's are the same calls with less around them. Times are
CPU times of the loop's thread, so what other processes take from it does not count. Written to CALLBACKS_FILE as
float64 seconds when the server ends.
"""

import asyncio
import os
import time
from asyncio import events

import numpy as np
import uvicorn

from qwen3_asr_realtime.server.serve import serve
from qwen3_asr_realtime.settings import load_settings

cpu_s: list[float] = []
run_unmeasured = events.Handle._run


def run_measured(handle: events.Handle) -> None:
    """Run one callback and note what it took."""
    began_s = time.thread_time()
    run_unmeasured(handle)
    cpu_s.append(time.thread_time() - began_s)


events.Handle._run = run_measured  # type: ignore[method-assign,assignment] # the only place to see all
uvicorn.Config.get_loop_factory = lambda self: asyncio.SelectorEventLoop  # type: ignore[method-assign] # not uvloop

settings = load_settings()
serve(settings)
np.save(os.environ["CALLBACKS_FILE"], np.array(cpu_s))
