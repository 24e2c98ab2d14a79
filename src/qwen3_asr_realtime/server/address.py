"""Where the server listens."""

import socket
import sys
from typing import Literal

from qwen3_asr_realtime.settings import Settings
from qwen3_asr_realtime.start_error import StartError

PortSetting = Literal["server_port", "metrics_port"]

REALTIME_PATH = "/api-ws/v1/realtime"

ANY_ADDRESS = frozenset(["0.0.0.0", "::"])  # noqa: S104 - to be told apart, not to be bound


class AddressError(StartError):
    """The configured address cannot be bound; the message is for the operator."""


def bound_socket(settings: Settings, setting: PortSetting = "server_port") -> socket.socket:
    """A socket bound to the configured address; port 0 takes a free one.

    Workers share the port for operators: each of them can answer for all.

    Args:
        settings: Name the address.
        setting: Which of them is the port.

    Raises:
        AddressError: It cannot be bound.
    """
    host, port = settings.server_host, getattr(settings, setting)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off where it sees that the protocol is TCP; else small events wait for an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        # Connections inherit it. Without it, what is written for a client that keeps its window shut waits for ever,
        # and with it the connection; and one whose client vanished is noticed only after 15 minutes.
        timeout_ms = round(settings.unread_timeout_sec * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    if setting == "metrics_port" and settings.server_workers > 1:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressError(_in_use(host, port, setting, error)) from error
    return listener


def listen(listener: socket.socket, setting: PortSetting = "server_port") -> None:
    """Let connections wait in the socket's queue from now on.

    Raises:
        AddressError: Another server has been bound to the address at the same time, and was the first to listen.
    """
    try:
        listener.listen()
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise AddressError(_in_use(host, port, setting, error)) from error


def _in_use(host: str, port: int, setting: PortSetting, error: OSError) -> str:
    return (
        f"cannot listen on {host}:{port}: {error.strerror}. "
        f"Set {setting.upper()} (and SERVER_HOST) to a free address, or stop what uses it."
    )


def realtime_url(listener: socket.socket, settings: Settings) -> str:
    """Where clients of this machine connect to a bound socket."""
    host, port = listener.getsockname()[:2]
    host = "localhost" if host in ANY_ADDRESS else f"[{host}]" if ":" in host else host
    return f"{'wss' if settings.tls_cert_file else 'ws'}://{host}:{port}{REALTIME_PATH}"
