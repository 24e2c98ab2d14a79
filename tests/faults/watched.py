"""A server in this process that may be left in any way, and has to hold nothing of it afterwards."""

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
from tests.server.harness import Client, Server, eventually, running_server

from qwen3_asr_realtime.engines.base import SegmentOptions
from qwen3_asr_realtime.engines.scripted import Call, Reply, Script, ScriptedEngine, ScriptedStream, counted_words
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.server.counting import LocalCount

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
TEXT = "conversation.item.input_audio_transcription.text"
FINISHED = "session.finished"

SILENCE = bytes(SAMPLE_RATE * 2)  # one second, longer than the silence that ends a turn
TROUBLE = {"corpus": {"text": "trouble"}}
"""Context by which the engine of a test knows the session that is to have trouble."""


class WatchedEngine(ScriptedEngine):
    """The scripted engine, which counts the streams that are open."""

    def __init__(self, script: Script = counted_words) -> None:
        super().__init__(script)
        self.open_streams = 0

    def open(self, options: SegmentOptions) -> ScriptedStream:
        self.open_streams += 1
        return WatchedStream(self, options)


class WatchedStream(ScriptedStream):
    def __init__(self, engine: WatchedEngine, options: SegmentOptions) -> None:
        super().__init__(engine, options)
        self._watched: WatchedEngine | None = engine

    def close(self) -> None:
        if self._watched is not None:
            self._watched.open_streams -= 1
            self._watched = None


def hanging(call: Call) -> Reply:
    """Whoever has trouble waits for ever for the engine; the others are answered at once."""
    return Reply(latency_s=math.inf) if call.options.context else counted_words(call)


@asynccontextmanager
async def watched_server(script: Script = counted_words, **settings: Any) -> AsyncIterator[Server]:
    """A server that holds nothing of its sessions in the end: no task, socket, turn or stream of the engine."""
    engine = WatchedEngine(script)
    async with running_server(engine, **settings) as server:
        tasks, count = asyncio.all_tasks(), server.service.admission.count
        assert isinstance(count, LocalCount)
        yield server
        nothing = {"sessions": 0, "admitted": 0, "decodes": 0, "streams": 0, "sockets": 0, "tasks": set()}

        def held() -> dict[str, object]:
            scheduler = server.service.recogniser.scheduler
            return {
                "sessions": len(server.service.connections),
                "admitted": count.sessions,
                "decodes": scheduler.running + scheduler.waiting,
                "streams": engine.open_streams,
                "sockets": open_sockets(server.port),
                "tasks": asyncio.all_tasks() - tasks,
            }

        try:
            await eventually(lambda: held() == nothing)
        except TimeoutError:
            assert held() == nothing  # shows what is left


def open_sockets(port: int) -> int:
    """Sockets this process has open at the server's end of a connection."""
    return sum(
        connection.laddr.port == port and connection.status != psutil.CONN_LISTEN
        for connection in psutil.Process().net_connections("tcp")
    )


async def assert_served(client: Client, speech: bytes) -> None:
    """The session hears all that is said and finishes."""
    await client.append(speech)
    events = await client.finish()
    assert [event["transcript"].split()[:4] for event in events if event["type"] == COMPLETED] == [
        ["w1", "w2", "w3", "w4"]
    ]


def raw_socket(client: Client) -> socket.socket:
    """The socket below a client, on asyncio's own loop."""
    sock: socket.socket = client.socket.transport.get_extra_info("socket")
    return sock


def reset(client: Client) -> None:
    """Leave as a process does that is killed with data unread: RST."""
    raw_socket(client).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.transport.abort()


def hang_up(client: Client) -> None:
    """Leave without a close frame: FIN, and nothing is read any more."""
    client.socket.transport.write_eof()
    client.socket.transport.pause_reading()
