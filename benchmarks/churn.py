"""Clients that come and go: does memory grow, does anything stay?

    python benchmarks/churn.py [--cycles 10000] [--every 1000] [--seed 1] [--engine scripted]

Connects again and again, 16 at a time, and leaves at a random point: before a word, in the middle of the handshake,
after it, after a session.update, while speaking, when speech has begun, when there is text, when the final is there, or
after session.finish; by a close frame, by FIN or by RST. Printed after each thousand, once all sessions are over: the
server's memory, threads, file descriptors, connections and asyncio tasks, beside those from before.

Exits with 1 if memory grows by 20 MB after the first thousand, or a session, connection, descriptor or task is left.
"""

import argparse
import asyncio
import base64
import json
import random
import socket
import struct
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from harness import english_clips, print_table, server_command
from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

GROWTH_LIMIT_MB = 20.0
CLIENTS = 16
SETTLE_TIMEOUT_S = 30.0
CYCLE_TIMEOUT_S = 30.0
FRAME_BYTES = 3200  # 100 ms

POINTS = (
    "connection",
    "half a handshake",
    "handshake",
    "session.created",
    "session.update",
    "some audio",
    "speech_started",
    "text",
    "completed",
    "session.finish",
    "session.finished",
)
WAYS = ("close", "FIN", "RST")


@dataclass(frozen=True)
class Look:
    """What the server holds while nobody is there."""

    memory_mb: float
    threads: int
    descriptors: int
    connections: int
    tasks: list[str]


class Churn:
    """Clients of one server. The same seed gives the same clients.

    Args:
        server: Run by servers/churn_server.py.
        seed: Which clients.
    """

    def __init__(self, server: LocalServer, seed: int) -> None:
        self.points: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._server = server
        self._process = psutil.Process(server.pid)
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._port = int(server.http_url.rpartition(":")[2])
        clip = next(clip for clip in english_clips() if clip.name == "cmd_goforward.wav")
        pcm = pcm16_bytes(clip.samples) + bytes(32_000)  # and a second of silence
        self._appends = [
            json.dumps(
                {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm[at : at + FRAME_BYTES]).decode()}
            )
            for at in range(0, len(pcm), FRAME_BYTES)
        ]

    async def run(self, cycles: int) -> None:
        """So many clients, some at a time."""
        left = iter(range(cycles))

        async def one_after_the_other() -> None:
            for _ in left:
                point = self._random.choice(POINTS)
                self.points[point] += 1
                async with asyncio.timeout(CYCLE_TIMEOUT_S):
                    await self._come_and_go(point, self._random.choice(WAYS))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(one_after_the_other())

    async def _come_and_go(self, point: str, way: str) -> None:
        if point in {"connection", "half a handshake"}:
            with socket.create_connection(("127.0.0.1", self._port)) as raw:
                if point != "connection":
                    raw.sendall(b"GET /v1/realtime HTTP/1.1\r\nUpgrade: webso")
                if way == "RST":
                    _linger(raw)
            return
        try:
            client = await connect(self._server.url, compression=None, ping_interval=None, close_timeout=5)
        except InvalidHandshake as error:
            self.refused[str(error)] += 1
            return
        with suppress(ConnectionClosed):
            await self._talk(client, point)
        if way == "close":
            await client.close()
        elif way == "FIN":
            client.transport.close()
        else:
            _linger(client.transport.get_extra_info("socket"))
            client.transport.abort()

    async def _talk(self, client: ClientConnection, point: str) -> None:
        """Talk up to a point."""
        if point == "handshake":
            return
        await _until(client, "session.created")
        if point == "session.created":
            return
        await client.send('{"type": "session.update", "session": {"turn_detection": {"type": "server_vad"}}}')
        if point == "session.update":
            return
        some = self._random.randrange(1, len(self._appends)) if point == "some audio" else len(self._appends)
        for append in self._appends[:some]:
            await client.send(append)
        if point == "some audio":
            return
        if point.startswith("session."):
            await client.send('{"type": "session.finish"}')
        if point != "session.finish":
            await _until(client, point)

    async def settled(self) -> Look:
        """Wait until all sessions are over, and look at the server.

        Raises:
            TimeoutError: They are not.
        """
        process = self._process
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            while self._sessions():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
            tasks = json.loads(_get(f"{self._server.http_url}/tasks"))
            while self._connections():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        rss_mb = process.memory_info().rss / 1e6
        return Look(rss_mb, process.num_threads(), process.num_fds(), self._connections(), tasks)

    def _sessions(self) -> int:
        sessions: int = json.loads(_get(f"{self._server.http_url}/health"))["sessions"]
        return sessions

    def _connections(self) -> int:
        return sum(c.status != psutil.CONN_LISTEN for c in self._process.net_connections("tcp"))


async def _until(client: ClientConnection, kind: str) -> None:
    """Read up to the first event of a kind."""
    async for message in client:
        if json.loads(message)["type"].rpartition(".")[2] == kind.rpartition(".")[2]:
            return


def _linger(sock: socket.socket) -> None:
    """Make the close of a socket a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
        body: bytes = answer.read()
    return body


async def churn(cycles: int, every: int, seed: int, engine: str) -> bool:
    """Run it all and print what happened; true if nothing grew and nothing stayed."""
    env = {"ASR_ENGINE": engine, "LOG_LEVEL": "warning", "MAX_QUEUE_DELAY_SEC": "0"}
    with local_server(command=server_command("churn_server"), env=env) as server:
        clients = Churn(server, seed)
        looks = [await clients.settled()]
        began_s = time.monotonic()
        for done in range(0, cycles, every):
            await clients.run(min(every, cycles - done))
            looks.append(await clients.settled())
        wall_s = time.monotonic() - began_s
    print_table(
        ["clients", "memory, MB", "threads", "descriptors", "connections", "tasks"],
        [
            [
                min(number * every, cycles),
                f"{look.memory_mb:.1f}",
                look.threads,
                look.descriptors,
                look.connections,
                len(look.tasks),
            ]
            for number, look in enumerate(looks)
        ],
    )
    growth_mb = looks[-1].memory_mb - looks[1].memory_mb
    print(f"\n{cycles} clients in {wall_s:.0f} s; growth after the first {every}: {growth_mb:.1f} MB")
    print("left at: " + ", ".join(f"{point} {count}" for point, count in sorted(clients.points.items())))
    if clients.refused:
        print(f"refused: {dict(clients.refused)}")
    stayed = Counter(looks[-1].tasks) - Counter(looks[0].tasks)
    descriptors = looks[-1].descriptors - looks[1].descriptors
    if stayed or descriptors > 0:
        print(f"left behind: {descriptors} descriptors, tasks {dict(stayed)}")
    return growth_mb < GROWTH_LIMIT_MB and not stayed and descriptors <= 0 and not clients.refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="clients that come and go")
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["scripted", "embedded"], default="scripted")
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(churn(arguments.cycles, arguments.every, arguments.seed, arguments.engine)) else 1)
