"""The port for operators, `METRICS_PORT`: metrics, statistics and the probes, and no sessions."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from qwen3_asr_realtime.server.head import Heads

CLOSE_TIMEOUT_S = 1
"""Longest wait for an answer under way when the server ends."""


class _SecondServer(uvicorn.Server):
    """A server that leaves the signals to the first one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def operators_port(config: uvicorn.Config, listener: socket.socket | None, heads: Heads) -> AsyncIterator[None]:
    """Serve the same application on a second port, for the length of the block, over plain HTTP.

    It outlives the first server, whose last minutes it is to show.

    Args:
        config: Of the first server.
        listener: The socket, bound; None for no such port.
        heads: The bounds on its connections.
    """
    if listener is None:
        yield
        return
    second = uvicorn.Config(
        config.app,
        log_config=None,
        access_log=False,
        http=heads.protocol(),
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=CLOSE_TIMEOUT_S,
    )
    server = _SecondServer(second)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="operators-port")
    try:
        yield
    finally:
        server.should_exit = True
        await task
