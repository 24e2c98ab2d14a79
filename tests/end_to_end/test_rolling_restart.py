"""Two servers behind a balancer are restarted one after the other, while people speak and `bench` measures."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from tests.end_to_end.stopping import COMPLETED, STARTED, exit_status
from tests.server.harness import Client, eventually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from qwen3_asr_realtime.client.local_server import LocalServer, local_server

BENCH_SESSIONS = 6
TALKERS = 2
SILENCE = bytes(2 * 16_000)
FRAME_BYTES = 3200
FRAME_S = 0.1


class Replica:
    """A server that can be restarted; on another port, for the old one may still be in use by sockets that linger."""

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._number = 0
        self._stack = contextlib.ExitStack()
        self.server: LocalServer

    async def start(self) -> None:
        self._number += 1
        running = local_server(
            env={"ASR_ENGINE": "embedded", "DRAIN_TIMEOUT_SEC": "20"},
            log_path=self._log_path.with_suffix(f".{self._number}"),
        )
        self.server = await asyncio.to_thread(self._stack.enter_context, running)

    async def restart(self) -> None:
        os.kill(self.server.pid, signal.SIGTERM)
        assert await asyncio.to_thread(exit_status, self.server.pid, 30) == 0
        await self.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._stack.close)


class Balancer:
    """Passes each connection to the next server that says it is ready, as balancers do.

    Attributes:
        passed: Connections so far.
        ready: Who is ready, the next one first.
    """

    def __init__(self, replicas: list[Replica]) -> None:
        self._replicas = replicas
        self.ready: list[Replica] = []
        self.passed = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks, await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            watching = [tasks.create_task(self._watch(replica)) for replica in self._replicas]
            await eventually(lambda: len(self.ready) == len(self._replicas))
            yield
            for task in watching:
                task.cancel()

    async def _watch(self, replica: Replica) -> None:
        while True:
            ready = False
            with contextlib.suppress(httpx.HTTPError):
                async with httpx.AsyncClient(timeout=1) as client:
                    ready = (await client.get(f"{replica.server.http_url}/ready")).status_code == 200
            if ready and replica not in self.ready:
                self.ready.append(replica)
            elif not ready and replica in self.ready:
                self.ready.remove(replica)
            await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for replica in [*self.ready]:
            port = int(replica.server.http_url.rpartition(":")[2])
            try:
                upstream, downstream = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.passed += 1
            with contextlib.suppress(ValueError):  # the next one takes the next
                self.ready.remove(replica)
                self.ready.append(replica)
            await asyncio.gather(_pass_on(reader, downstream), _pass_on(upstream, writer))
            return
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Talker:
    """Says one sentence after another in real time, and connects again when it is told that the server goes.

    Attributes:
        begun: Sentences that a server has begun to hear.
        finals: Their transcripts.
        connections: How often it connected.
    """

    def __init__(self, url: str, sentence: bytes) -> None:
        self._url = url
        self._sentence = sentence + SILENCE
        self.begun = 0
        self.finals: list[str] = []
        self.connections = 0

    async def talk(self, until: asyncio.Event) -> None:
        while not until.is_set():
            with contextlib.suppress(ConnectionClosed):
                async with connect(self._url) as socket:
                    self.connections += 1
                    await self._session(Client(socket), until)

    async def _session(self, client: Client, until: asyncio.Event) -> None:
        reading = asyncio.create_task(self._read(client))
        try:
            while not until.is_set():
                for first in range(0, len(self._sentence), FRAME_BYTES):
                    await client.append(self._sentence[first : first + FRAME_BYTES])
                    await asyncio.sleep(FRAME_S)
            await client.send("session.finish")
        finally:
            await asyncio.gather(reading, return_exceptions=True)  # what came before the close is read all the same

    async def _read(self, client: Client) -> None:
        while (event := await client.receive())["type"] != "session.finished":
            if event["type"] == STARTED:
                self.begun += 1
            elif event["type"] == COMPLETED:
                self.finals.append(event["transcript"])


async def test_no_final_is_lost(tmp_path: Path, go_forward: bytes) -> None:
    replicas = [Replica(tmp_path / name) for name in ("one", "two")]
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        balancer = Balancer(replicas)
        async with balancer.running():
            url = f"ws://127.0.0.1:{balancer.port}/api-ws/v1/realtime"
            enough = asyncio.Event()
            talkers = [Talker(url, go_forward) for _ in range(TALKERS)]
            talks = [asyncio.create_task(talker.talk(enough)) for talker in talkers]
            bench = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "qwen3_asr_realtime", "bench", "--url", url),
                *("--sessions", str(BENCH_SESSIONS), "--duration", "600", "--max-lost", "0"),
                *("--json", tmp_path / "report"),
                stdout=asyncio.subprocess.PIPE,
            )
            await eventually(lambda: balancer.passed > BENCH_SESSIONS + TALKERS, within_s=20)  # bench knocks first
            for replica in replicas:
                await eventually(lambda: len(balancer.ready) == len(replicas))
                await replica.restart()
            output, _ = await bench.communicate()
            enough.set()
            await asyncio.gather(*talks)
    finally:
        await asyncio.gather(*(replica.close() for replica in replicas))
    assert bench.returncode == 0, output.decode()
    [stage] = json.loads((tmp_path / "report").read_bytes())["stages"]
    assert sum(stage["errors"].values()) == BENCH_SESSIONS  # a restart ended each of its sessions
    for talker in talkers:
        assert talker.begun == len(talker.finals) > 2
        assert all("forward" in final for final in talker.finals)
        assert talker.connections > 1
