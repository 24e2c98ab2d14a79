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
from collections.abc import Iterable

import psutil
from websockets.frames import Frame, Opcode

from harness import fleet, print_table
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.load.figures import Spread, Stage, Utterance
from qwen3_asr_realtime.load.fleet import Fleet
from qwen3_asr_realtime.load.measuring import measure
from qwen3_asr_realtime.load.worker import Progress

RATIO_LIMIT = 1.1
SPEED = 80.0
CONTEXT = "x" * 100_000
HANDSHAKE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


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


async def talk(clients: Fleet, sessions: int) -> Stage:
    return measure(await clients.run(sessions, lambda progress: None))


async def neighbours(rounds: int, seconds: float, sessions: int, engine: str) -> bool:
    alone: list[Stage] = []
    beside: list[Stage] = []
    sent_s, dropped = 0.0, 0
    began_s = time.monotonic()
    with local_server(env={"ASR_ENGINE": engine, "LOG_LEVEL": "error"}) as server:
        for number in range(rounds):
            few = fleet(server, duration_s=seconds, seed=100 + number, stop=asyncio.Event())
            alone.append(await talk(few, sessions))
            async with Neighbours(server, 2 * seconds) as two:
                beside.append(await talk(few, sessions))
            sent_s, dropped = sent_s + two.sent_s, dropped + two.dropped
            print(f"round {number + 1}: p95 {alone[-1].final_ms.p95} ms, {beside[-1].final_ms.p95} ms", flush=True)
        memory_mb = psutil.Process(server.pid).memory_info().rss / 1e6
    finals = [
        Spread.of([row.final_ms for row in rows(stages) if row.final_ms is not None]) for stages in (alone, beside)
    ]
    firsts = [
        Spread.of([row.first_partial_ms for row in rows(stages) if row.first_partial_ms is not None])
        for stages in (alone, beside)
    ]
    ratio = finals[1].p95 / finals[0].p95 if finals[0].p95 and finals[1].p95 else float("inf")
    lost = sum(stage.lost + stage.n_errors for stage in (*alone, *beside))
    print_table(
        [f"{sessions} sessions", "alone", "with neighbours"],
        [
            ["finals", *(values.count for values in finals)],
            ["end of speech to final, median, ms", *(values.p50 for values in finals)],
            ["the same, p95", *(values.p95 for values in finals)],
            ["the same, maximum", *(values.max for values in finals)],
            ["first preview, p95, ms", *(values.p95 for values in firsts)],
            ["lost, and errors", *(sum(stage.lost + stage.n_errors for stage in stages) for stages in (alone, beside))],
        ],
    )
    print(f"\np95 with neighbours: {ratio:.2f} times that without (at most {RATIO_LIMIT})")
    print(
        f"{sent_s:.0f} s of audio from the fast one; the other was dropped {dropped} times; memory {memory_mb:.0f} MB; "
        f"{time.monotonic() - began_s:.0f} s"
    )
    return ratio <= RATIO_LIMIT and lost == 0


def spread(values: Iterable[float | None]) -> Spread:
    return Spread.of([value for value in values if value is not None])


def rows(stages: Iterable[Stage]) -> list[Utterance]:
    return [row for stage in stages for row in stage.details]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="bad neighbours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--engine", choices=["embedded", "scripted"], default="embedded")
    arguments = parser.parse_args()
    survived = asyncio.run(neighbours(arguments.rounds, arguments.seconds, arguments.sessions, arguments.engine))
    sys.exit(0 if survived else 1)
