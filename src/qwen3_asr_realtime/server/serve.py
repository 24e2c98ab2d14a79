"""Running the server: uvicorn around the application, and who owns the signals."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.engines.selection import select_engine
from qwen3_asr_realtime.server.address import bound_socket, listen, realtime_url
from qwen3_asr_realtime.server.app import create_app
from qwen3_asr_realtime.server.counting import SessionCount
from qwen3_asr_realtime.server.head import Heads
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.metrics import Metrics
from qwen3_asr_realtime.server.operators_port import operators_port
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.server.signals import StopSignals
from qwen3_asr_realtime.server.tls import check_certificate
from qwen3_asr_realtime.server.transports import light_websocket
from qwen3_asr_realtime.settings import Settings

CLOSING_TIMEOUT_S = 2
"""Longest wait for clients to answer the close of their connection, and then for what else is open, to end."""

PING_INTERVAL_S = 20
"""Keeps NATs open. A missing pong never closes a connection: SDKs answer only while the application is reading."""

log = structlog.get_logger()


class Entrance(Protocol):
    """Where the server's connections come from, and where its sessions are counted."""

    @property
    def listener(self) -> socket.socket | None:
        """The socket to be listened on, or None if connections come another way."""

    @property
    def count(self) -> SessionCount | None:
        """Where sessions are counted, or None for the server itself."""

    @property
    def url(self) -> str:
        """Where clients connect, or "" if that is another process's business."""

    def attended(self, stop: Callable[[], object]) -> AbstractAsyncContextManager[None]:
        """Hold it ready for the length of the block; `stop` ends the server."""

    def open(self, server: uvicorn.Server, metrics: Metrics) -> None:
        """Let connections in."""

    def close(self) -> None:
        """Let no more in, if another process can take them."""


@dataclass(frozen=True, slots=True)
class OwnPort:
    """A port that belongs to this process alone.

    Attributes:
        listener: The socket.
        url: See `Entrance`.
    """

    listener: socket.socket
    url: str = ""
    count: SessionCount | None = None

    def attended(self, stop: Callable[[], object]) -> AbstractAsyncContextManager[None]:
        """See `Entrance`."""
        return nullcontext()

    def open(self, server: uvicorn.Server, metrics: Metrics) -> None:
        """See `Entrance`."""

    def close(self) -> None:
        """See `Entrance`: it listens on, so that whoever asks is told that it is not ready."""


def serve(settings: Settings) -> None:
    """Run the server until a signal ends it: SIGTERM and SIGINT drain it, a second one ends it at once.

    Raises:
        AddressError: The configured address cannot be bound, or listened on.
        EngineError: The engine does not start.
        ChecksumError: A model is damaged.
        ModelError: There is no such model.
        SettingsError: Keys or certificate cannot be read.
    """
    configure_logs(settings)
    check_certificate(settings)
    with bound_socket(settings) as listener:
        run_until_stopped(settings, select_engine(settings), OwnPort(listener, realtime_url(listener, settings)))


def run_until_stopped(settings: Settings, engine: Engine, entrance: Entrance) -> None:
    """The same with connections from somewhere.

    Raises:
        AddressError: A port cannot be bound, or listened on.
        EngineError: The engine does not start.
        ChecksumError: The VAD model is damaged.
        SettingsError: Keys cannot be read.
    """
    loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()  # uvloop, where there is one
    with (
        bound_socket(settings, "metrics_port") if settings.metrics_port else nullcontext() as operators,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(_serve(settings, engine, entrance, operators))


async def _serve(settings: Settings, engine: Engine, entrance: Entrance, operators: socket.socket | None) -> None:
    main = asyncio.current_task()
    if main is None:
        raise RuntimeError("the server runs in a task")
    signals = StopSignals(main.cancel)
    try:
        async with (
            entrance.attended(signals.stop),
            running_service(settings, engine, entrance.count) as service,
        ):
            # Here and not in uvicorn, which would end with a traceback. Connections wait for it in the queues.
            if entrance.listener is not None:
                listen(entrance.listener)
            if operators is not None:
                listen(operators, "metrics_port")
            await _run(service, entrance, operators, signals)
    except asyncio.CancelledError:
        log.info("stopped before it was ready")


async def _run(service: Service, entrance: Entrance, operators: socket.socket | None, signals: StopSignals) -> None:
    async with asyncio.TaskGroup() as tasks:

        def on_started() -> None:
            signals.listen()  # uvicorn's own handlers would close every connection at once
            entrance.open(server, service.metrics)
            engine = service.recogniser.engine.info
            log.info("ready", url=entrance.url, engine=engine.name, model=engine.model)

        def stop() -> None:
            entrance.close()
            stopping = tasks.create_task(_stop(service, server), name="stop")
            signals.on_force = lambda: force(stopping)

        def force(stopping: asyncio.Task[None]) -> None:
            log.warning("stopping at once", sessions=len(service.connections))
            stopping.cancel()
            server.should_exit = True

        server = http_server(service, on_started)
        signals.on_stop = stop
        async with operators_port(server.config, operators, pending_connections(service)):
            await server.serve(sockets=[entrance.listener] if entrance.listener else [])


async def _stop(service: Service, server: uvicorn.Server) -> None:
    """Drain, then end the server."""
    await service.end_sessions()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_TIMEOUT_S):
            # To end the process with something of a client's unread would reset its connection, and the last events
            # on their way with it.
            while _has_websockets(server):  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
    server.should_exit = True


def _has_websockets(server: uvicorn.Server) -> bool:
    return any(isinstance(connection, WebSocketsSansIOProtocol) for connection in server.server_state.connections)


def pending_connections(service: Service) -> Heads:
    """The bounds on the connections of one port that are no sessions yet."""
    settings = service.settings
    return Heads(
        timeout_s=settings.request_timeout_sec,
        head_bytes_max=settings.max_header_kib * 1024,
        waiting_max=settings.worker_share(settings.max_pending_connections),
        on_limit=service.limit_reached,
    )


def http_server(service: Service, on_started: Callable[[], None]) -> uvicorn.Server:
    """The application in uvicorn, set up for long-lived WebSockets.

    Args:
        service: What connections share.
        on_started: Called when it is about to take connections; signal handlers set there stay in force.
    """
    settings = service.settings
    heads = pending_connections(service)
    reached = service.metrics.limits_reached.labels
    return uvicorn.Server(
        uvicorn.Config(
            create_app(service, on_started),
            log_config=None,
            access_log=False,
            http=heads.protocol(),
            ssl_certfile=settings.tls_cert_file or None,
            ssl_keyfile=settings.tls_key_file or None,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=CLOSING_TIMEOUT_S,
            ws=light_websocket(heads, reached("UNREAD_TIMEOUT_SEC").inc),
            **websocket_options(settings),
        )
    )


def websocket_options(settings: Settings) -> dict[str, Any]:
    """Arguments of `uvicorn.Config` for long-lived WebSockets, whatever class speaks their protocol."""
    return {
        "ws_max_size": settings.max_frame_mib * 1024 * 1024,
        "ws_per_message_deflate": False,
        "ws_ping_interval": PING_INTERVAL_S,
        "ws_ping_timeout": None,
    }
