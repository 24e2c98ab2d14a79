"""Eight people talking at once, and a ninth who sends 15 MiB in one event: what holds the event loop up?

    python benchmarks/event_loop.py [--sessions 8] [--seconds 40]

The eight send 20 ms in each append. Half way, another client appends 15 MiB of base64. Printed: the CPU time of
event-loop callbacks in the server (see servers/callback_server.py), on a loop that is slower than the usual one.
What the eight get is for `qwen3-asr-realtime bench --sessions 8 --frame-ms 20` to say.

Exits with 1 if the callbacks' p99.9 is above 10 ms, or anything is lost.
"""

import argparse
import asyncio
import base64
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness import fleet, print_table, server_command
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.load.measuring import measure

LIMIT_S = 0.010
APPEND_BYTES = 15 * 1024 * 1024 // 4 * 3


async def dump(server: LocalServer, after_s: float) -> None:
    """Append 15 MiB of base64 in one event, and wait until it has been worked on."""
    await asyncio.sleep(after_s)
    audio = base64.b64encode(bytes(APPEND_BYTES)).decode()
    async with RealtimeClient(server.url) as client:
        await client.send("input_audio_buffer.append", audio=audio)
        await client.send("session.finish")
        async for event in client:
            if event["type"] == "session.finished":
                break


async def main() -> bool:
    parser = argparse.ArgumentParser(description="CPU time of event-loop callbacks")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "callbacks.npy")
        with local_server(command=server_command("callback_server"), env={"CALLBACKS_FILE": str(file)}) as server:
            eight = fleet(server, duration_s=options.seconds, frame_ms=20, stop=asyncio.Event())
            async with asyncio.TaskGroup() as tasks:
                talking = tasks.create_task(eight.run(options.sessions, lambda progress: None), name="talk")
                tasks.create_task(dump(server, options.seconds / 2), name="dump")
        callbacks_s = np.load(file)
    stage = measure(talking.result())
    p999_s = float(np.quantile(callbacks_s, 0.999))
    print_table(
        [f"{options.sessions} sessions and 15 MiB", "measured", "at most"],
        [
            ["event-loop callbacks", len(callbacks_s), ""],
            ["CPU time of one, p99.9", f"{p999_s * 1000:.2f} ms", f"{LIMIT_S * 1000:.0f} ms"],
            ["the same, maximum, start-up included", f"{callbacks_s.max() * 1000:.2f} ms", ""],
            ["lost, and errors", stage.lost + stage.n_errors, 0],
        ],
    )
    return p999_s <= LIMIT_S and stage.lost + stage.n_errors == 0


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
