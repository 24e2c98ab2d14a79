"""A server process, seen by a client while it is stopped."""

import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping

from tests.server.harness import Client
from websockets.asyncio.client import connect

from qwen3_asr_realtime.client.local_server import LocalServer

STARTED = "input_audio_buffer.speech_started"
COMPLETED = "conversation.item.input_audio_transcription.completed"
SHUTDOWN = (1001, "server shutdown")


@contextlib.asynccontextmanager
async def session(server: LocalServer, headers: Mapping[str, str] | None = None) -> AsyncIterator[Client]:
    """A connection past its greeting."""
    async with connect(server.url, additional_headers=headers) as socket:
        client = Client(socket)
        assert (await client.receive())["type"] == "session.created"
        yield client


def exit_status(pid: int, within_s: float) -> int:
    """The status a child ends with; a test that waits longer than it should fails."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    raise AssertionError(f"still running after {within_s} s")


def assert_port_free(server: LocalServer) -> None:
    host, port = server.http_url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, int(port)))
