"""Running the server: uvicorn around the application, and who owns the signals."""

import asyncio
import signal
import socket

import structlog
import uvicorn

from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.server.app import REALTIME_PATH, create_app
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.settings import Settings

SHUTDOWN_TIMEOUT_S = 5
"""Longest wait for connections to end after a signal."""

PING_INTERVAL_S = 20
"""Keeps NATs open. A missing pong never closes a connection: SDKs answer only while the application is reading."""

log = structlog.get_logger()


class AddressError(Exception):
    """The configured address cannot be bound; the message is for the operator."""


def serve(settings: Settings, engine: Engine) -> bool:
    """Run the server until it is told to stop. Returns whether it ever started.

    Raises:
        AddressError: The address cannot be bound.
    """
    configure_logs(settings)
    with bound_socket(settings) as listener:
        server: uvicorn.Server

        def on_started() -> None:
            # uvicorn's own handlers would end the process by the signal; ours end the server, and the process with 0.
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            host, port = listener.getsockname()[:2]
            log.info(
                "ready", url=f"ws://{host}:{port}{REALTIME_PATH}", engine=engine.info.name, model=engine.info.model
            )

        def stop() -> None:
            server.force_exit = server.should_exit  # a second signal forces
            server.should_exit = True

        config = uvicorn.Config(
            create_app(settings, engine, on_started),
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=settings.max_frame_mib * 1024 * 1024,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=None,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        )
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
        return server.started


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
