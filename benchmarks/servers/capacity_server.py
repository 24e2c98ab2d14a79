"""The server of capacity.py: writes down how long every append took.

    DELAYS_FILE=out.npy python benchmarks/servers/capacity_server.py

Clients on the same machine put the time of sending (monotonic clock, ns, 20 digits) in front of the append as its
event_id. When an append has been worked on, which is when its samples have passed endpointing, the time since then is
noted: the way through both sockets, the waiting for the event loop, and all the work. Written to DELAYS_FILE when the
server ends: int64 [n, 2], the time of sending and the delay, in ns.
"""

import os
import time
from array import array

import numpy as np

from qwen3_asr_realtime.server.connection import Connection
from qwen3_asr_realtime.server.serve import serve
from qwen3_asr_realtime.settings import load_settings

STAMP = slice(len('{"event_id":"'), len('{"event_id":"') + 20)

times_ns = array("q")
receive_unmeasured = Connection.receive


async def receive_measured(self: Connection, frame: str) -> None:
    """Work on one frame and note what an append took."""
    await receive_unmeasured(self, frame)
    if (stamp := frame[STAMP]).isdecimal():
        sent_ns = int(stamp)
        times_ns.extend((sent_ns, time.monotonic_ns() - sent_ns))


Connection.receive = receive_measured  # type: ignore[method-assign] # what a frame asks for is done when it returns

settings = load_settings()
serve(settings)
np.save(os.environ["DELAYS_FILE"], np.array(times_ns, np.int64).reshape(-1, 2))
