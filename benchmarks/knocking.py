"""Three times as many clients as are admitted: do those who are admitted wait longer?

    python benchmarks/knocking.py --limit N [--rounds 3] [--seconds 60] [--every 1]

N is what `qwen3-asr-realtime calibrate` found, and becomes `MAX_SESSIONS`. In every round N sessions speak at the pace
of people, first alone and then, the very same, while twice as many clients knock: each connects, is refused, and comes
again after a second, sooner than it is told to. Printed: how long after the end of speech finals came, the silence that
ends a turn included, and how many were refused.

Exits with 1 if the p95 of the finals is more than 20 % longer with knocking, anything is lost, or one who knocks gets
anything but the documented answer: an `error` with the code `rate_limit_exceeded`, then close code 1013.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness import alone_and_beside
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

RATIO_LIMIT = 1.2
CROWD = 3
DOCUMENTED = ("rate_limit_exceeded", 1013)

Answers = Counter[tuple[str, int]]


async def knock(server: LocalServer, every_s: float, answers: Answers) -> None:
    """Ask for a session again and again, and note the answers: code of the error and of the close."""
    while True:
        code = ""
        async with connect(server.url) as websocket:
            try:
                async for message in websocket:
                    code = json.loads(message).get("error", {}).get("code", "no error")
            except ConnectionClosed:
                pass
            answers[code, websocket.close_code or 0] += 1
        await asyncio.sleep(every_s)


def sessions_of(server: LocalServer) -> int:
    """Sessions that there are."""
    with urllib.request.urlopen(f"{server.http_url}/health") as answer:  # noqa: S310 - our own
        return int(json.load(answer)["sessions"])


@contextlib.asynccontextmanager
async def crowd(server: LocalServer, admitted: int, every_s: float, answers: Answers) -> AsyncIterator[None]:
    """Clients at the door, not all at the same moment, once so many are in as may be."""
    size = (CROWD - 1) * admitted

    async def come() -> None:
        while await asyncio.to_thread(sessions_of, server) < admitted:  # noqa: ASYNC110 - the event is in the server
            await asyncio.sleep(0.2)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(size):
                tasks.create_task(knock(server, every_s, answers), name="knock")
                await asyncio.sleep(every_s / size)

    coming = asyncio.create_task(come(), name="crowd")
    try:
        yield
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def main() -> bool:
    parser = argparse.ArgumentParser(description="clients that are not admitted")
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=1.0)
    options = parser.parse_args()
    answers: Answers = Counter()
    with local_server(env={"MAX_SESSIONS": str(options.limit), "LOG_LEVEL": "error"}) as server:
        undisturbed = await alone_and_beside(
            lambda: crowd(server, options.limit, options.every, answers),
            server,
            sessions=options.limit,
            rounds=options.rounds,
            seconds=options.seconds,
            ratio_limit=RATIO_LIMIT,
        )
    print("answers:", ", ".join(f"{count} x {code} and {close}" for (code, close), count in answers.items()))
    return undisturbed and set(answers) == {DOCUMENTED}


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
