"""Bad neighbours: one never reads, one sends 80 times as fast as it could speak. Do the others wait longer?

    python benchmarks/neighbours.py [--rounds 5] [--seconds 60] [--sessions 4] [--engine embedded]

In every round a few sessions speak at the pace of people, first alone and then, the very same, beside a client that
asks for answers and reads none, and one that sends speech at 80 times real time. Printed: how long after the end of
speech the finals of those few came, over all rounds, the silence that ends a turn included, and their first previews.

Exits with 1 if the p95 of the finals is more than 10 % longer with neighbours, or anything is lost.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time

from websockets.frames import Frame, Opcode

from harness import HANDSHAKE, alone_and_beside, fleet, used
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.load.worker import Progress

RATIO_LIMIT = 1.1
SPEED = 80.0
CONTEXT = "x" * 100_000


class Neighbours:
    """The two, from start to stop.

    Attributes:
        sent_s: Audio that the fast one has sent, in seconds.
        dropped: How often the server has dropped the one that does not read.
    """

    def __init__(self, server: LocalServer, seconds: float) -> None:
        self.sent_s = 0.0
        self.dropped = 0
        self._stop = asyncio.Event()
        self._port = int(server.http_url.rpartition(":")[2])
        self._fast = fleet(server, duration_s=seconds * SPEED, speed=SPEED, seed=2, stop=self._stop)
        self._begun = asyncio.Event()
        self._tasks: list[asyncio.Task[object]] = []

    async def __aenter__(self) -> "Neighbours":
        self._tasks = [
            asyncio.create_task(self._fast.run(1, self._note), name="fast"),
            asyncio.create_task(self._never_read(), name="never reads"),
        ]
        await self._begun.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self, progress: Progress) -> None:
        if progress.sent_ms:
            self._begun.set()
        self.sent_s = progress.sent_ms / 1000

    async def _never_read(self) -> None:
        loop = asyncio.get_running_loop()
        context = {"input_audio_transcription": {"corpus": {"text": CONTEXT}}}
        first, more = (
            Frame(Opcode.TEXT, json.dumps({"type": "session.update", "session": session}).encode()).serialize(mask=True)
            for session in (context, {})
        )
        while True:
            with socket.socket() as deaf, contextlib.suppress(ConnectionError):
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                deaf.setblocking(False)
                await loop.sock_connect(deaf, ("127.0.0.1", self._port))
                await loop.sock_sendall(deaf, HANDSHAKE + first)
                while True:
                    await loop.sock_sendall(deaf, more)
                    await asyncio.sleep(0.02)
            self.dropped += 1


async def neighbours(rounds: int, seconds: float, sessions: int, engine: str) -> bool:
    began_s = time.monotonic()
    pairs: list[Neighbours] = []
    with local_server(env={"ASR_ENGINE": engine, "LOG_LEVEL": "error"}) as server:

        def two() -> Neighbours:
            pairs.append(Neighbours(server, 2 * seconds))
            return pairs[-1]

        survived = await alone_and_beside(
            two, server, sessions=sessions, rounds=rounds, seconds=seconds, ratio_limit=RATIO_LIMIT
        )
        memory_mib = used(server).rss_mib
    print(
        f"{sum(pair.sent_s for pair in pairs):.0f} s of audio from the fast one; the other was dropped "
        f"{sum(pair.dropped for pair in pairs)} times; memory {memory_mib:.0f} MiB; {time.monotonic() - began_s:.0f} s"
    )
    return survived


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="bad neighbours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--engine", choices=["embedded", "scripted"], default="embedded")
    arguments = parser.parse_args()
    survived = asyncio.run(neighbours(arguments.rounds, arguments.seconds, arguments.sessions, arguments.engine))
    sys.exit(0 if survived else 1)
