"""Running the server: uvicorn around the application, and who owns the signals."""

import asyncio
import signal
import socket
from collections.abc import Callable

import structlog
import uvicorn

from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.server.app import REALTIME_PATH, create_app
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.settings import Settings

SHUTDOWN_TIMEOUT_S = 5
"""Longest wait for connections to end after a signal."""

PING_INTERVAL_S = 20
"""Keeps NATs open. A missing pong never closes a connection: SDKs answer only while the application is reading."""

ANY_ADDRESS = frozenset(["0.0.0.0", "::"])  # noqa: S104 - to be told apart, not to be bound

log = structlog.get_logger()


class AddressError(Exception):
    """The configured address cannot be bound; the message is for the operator."""


def serve(settings: Settings, engine: Engine) -> None:
    """Run the server until a signal ends it.

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
    async with running_service(settings, engine) as service:

        def on_started() -> None:
            # uvicorn's own handlers would end the process by the signal; ours end the server, and the process with 0.
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            host, port = listener.getsockname()[:2]
            host = "localhost" if host in ANY_ADDRESS else f"[{host}]" if ":" in host else host
            url = f"ws://{host}:{port}{REALTIME_PATH}"
            log.info("ready", url=url, engine=engine.info.name, model=engine.info.model)

        def stop() -> None:
            log.info("stopping", sessions=len(service.connections))
            server.force_exit = server.should_exit  # a second signal forces
            server.should_exit = True

        server = http_server(service, listener, on_started)
        await server.serve(sockets=[listener])


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
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
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
