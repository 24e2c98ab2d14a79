"""Running the server: uvicorn around the application, and who owns the signals."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.server.app import REALTIME_PATH, create_app
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.server.signals import StopSignals
from qwen3_asr_realtime.settings import Settings

CLOSING_TIMEOUT_S = 2
"""Longest wait for clients to answer the close of their connection, and then for what else is open, to end."""

PING_INTERVAL_S = 20
"""Keeps NATs open. A missing pong never closes a connection: SDKs answer only while the application is reading."""

ANY_ADDRESS = frozenset(["0.0.0.0", "::"])  # noqa: S104 - to be told apart, not to be bound

log = structlog.get_logger()


class AddressError(Exception):
    """The configured address cannot be bound; the message is for the operator."""


def serve(settings: Settings, engine: Engine) -> None:
    """Run the server until a signal ends it: SIGTERM and SIGINT drain it, a second one ends it at once.

    Raises:
        AddressError: The configured address cannot be bound.
        EngineError: The engine does not start.
        ChecksumError: The VAD model is damaged.
    """
    configure_logs(settings)
    with bound_socket(settings) as listener:
        loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()  # uvloop, where there is one
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_serve(settings, engine, listener))


async def _serve(settings: Settings, engine: Engine, listener: socket.socket) -> None:
    main = asyncio.current_task()
    if main is None:
        raise RuntimeError("the server runs in a task")
    signals = StopSignals(main.cancel)
    try:
        async with running_service(settings, engine) as service:
            await _run(service, listener, signals)
    except asyncio.CancelledError:
        log.info("stopped before it was ready")


async def _run(service: Service, listener: socket.socket, signals: StopSignals) -> None:
    async with asyncio.TaskGroup() as tasks:

        def on_started() -> None:
            signals.listen()  # uvicorn's own handlers would close every connection at once
            engine = service.recogniser.engine
            host, port = listener.getsockname()[:2]
            host = "localhost" if host in ANY_ADDRESS else f"[{host}]" if ":" in host else host
            url = f"ws://{host}:{port}{REALTIME_PATH}"
            log.info("ready", url=url, engine=engine.info.name, model=engine.info.model)

        def stop() -> None:
            stopping = tasks.create_task(_stop(service, server), name="stop")
            signals.on_force = lambda: force(stopping)

        def force(stopping: asyncio.Task[None]) -> None:
            log.warning("stopping at once", sessions=len(service.connections))
            stopping.cancel()
            server.should_exit = True

        server = http_server(service, listener, on_started)
        signals.on_stop = stop
        await server.serve(sockets=[listener])


async def _stop(service: Service, server: uvicorn.Server) -> None:
    """Drain, then end the server. Until then it listens, so that whoever asks is told that it is not ready."""
    await service.drain.run(service.settings.drain_timeout_sec)
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_TIMEOUT_S):
            # To end the process with something of a client's unread would reset its connection, and the last events
            # on their way with it.
            while _has_websockets(server):  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
    server.should_exit = True


def _has_websockets(server: uvicorn.Server) -> bool:
    return any(isinstance(connection, WebSocketsSansIOProtocol) for connection in server.server_state.connections)


def http_server(service: Service, listener: socket.socket, on_started: Callable[[], None]) -> uvicorn.Server:
    """The application in uvicorn, set up for long-lived WebSockets.

    Args:
        service: What connections share.
        listener: The socket it will be run with.
        on_started: Called when clients can connect; signal handlers set there stay in force.
    """

    def started() -> None:
        listener.listen()  # connections wait in its queue until uvicorn takes them, in a moment
        on_started()

    return uvicorn.Server(
        uvicorn.Config(
            create_app(service, started),
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=service.settings.max_frame_mib * 1024 * 1024,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=None,
            timeout_graceful_shutdown=CLOSING_TIMEOUT_S,
        )
    )


def bound_socket(settings: Settings) -> socket.socket:
    """A socket bound to the configured address; port 0 takes a free one.

    Raises:
        AddressError: It cannot be bound.
    """
    host, port = settings.server_host, settings.server_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressError(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            "Set SERVER_PORT (and SERVER_HOST) to a free address, or stop what uses it."
        ) from error
    return listener
