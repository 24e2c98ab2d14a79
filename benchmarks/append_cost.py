"""What one append costs on the way in: the wire and intake of this server beside a bare FastAPI echo.

    python benchmarks/append_cost.py [--appends 20000]

Both run in processes of their own under the same uvicorn settings. A client sends appends of 100 ms (16 kHz PCM as
base64 in JSON), as fast as they are taken. The bare echo parses the JSON, decodes the base64 and sends one byte count
back at the end; the server does all it does up to listening: events, session, intake, samples on the timeline, with
detection taken out (and so no engine). Printed: CPU time of each server process per append, and the ratio.

Exits with 1 if the ratio is above 1.4.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys

from websockets.asyncio.client import connect

from harness import print_table, server_command, used
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

RATIO_LIMIT = 1.4
ROUNDS = 5
DEAF = {"ASR_ENGINE": "scripted", "MAX_MESSAGES_PER_SEC": "0"}  # being held back costs time too
APPEND = json.dumps(
    {
        "event_id": "event_0123456789abcdef0123456789abcdef",
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(bytes(range(256)) * 12 + bytes(128)).decode(),
    }
)


async def cpu_per_append_us(server: LocalServer, appends: int) -> float:
    """Send appends and a finish, wait for the answer to the finish; the server's CPU time per append."""
    async with connect(server.url) as socket:
        await socket.recv()
        before_s = used(server).cpu_s
        for _ in range(appends):
            await socket.send(APPEND)
        await socket.send('{"type":"session.finish"}')
        while json.loads(await socket.recv())["type"] != "session.finished":
            pass
        return (used(server).cpu_s - before_s) / appends * 1e6


async def main() -> bool:
    parser = argparse.ArgumentParser(description="CPU time of one append")
    parser.add_argument("--appends", type=int, default=20_000)
    appends = parser.parse_args().appends
    with (
        local_server(command=server_command("append_servers", "bare")) as bare,
        local_server(command=server_command("append_servers", "deaf"), env=DEAF) as deaf,
    ):
        rounds = [
            (await cpu_per_append_us(bare, appends), await cpu_per_append_us(deaf, appends)) for _ in range(ROUNDS)
        ]
    ratio = statistics.median(ours / theirs for theirs, ours in rounds)
    print_table(
        ["CPU time of an append of 100 ms", f"median of {ROUNDS} rounds of {appends}"],
        [
            ["bare FastAPI echo", f"{statistics.median(theirs for theirs, _ in rounds):.1f} us"],
            ["wire and intake", f"{statistics.median(ours for _, ours in rounds):.1f} us"],
            ["ratio, median of the rounds", f"{ratio:.2f} (at most {RATIO_LIMIT})"],
        ],
    )
    return ratio <= RATIO_LIMIT


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
