"""A private server on this machine for demos, tests and benchmarks, which ends with the code that uses it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

SERVE_COMMAND = (sys.executable, "-m", "qwen3_asr_realtime", "serve")

START_TIMEOUT_S = 60.0
"""Bound from the start of the process to a green `/health`; engines with large models need a longer one."""

STOP_TIMEOUT_S = 10.0
"""Time the server has to drain after SIGTERM before it is killed."""

PRIVATE = {"API_KEYS": "", "API_KEYS_FILE": "", "TLS_CERT_FILE": "", "TLS_KEY_FILE": "", "METRICS_PORT": "0"}
"""What is set for the public server of this machine, perhaps in `.env`, is not for a private one."""

_HOST = "127.0.0.1"
_POLL_S = 0.1
_LOG_TAIL_LINES = 20


class ServerStartError(Exception):
    """The server did not come up; the message ends with the tail of its log."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server.

    Attributes:
        url: WebSocket address of the realtime endpoint.
        http_url: Address of the HTTP endpoints, without a slash at the end.
        pid: Its process.
    """

    url: str
    http_url: str
    pid: int


@contextlib.contextmanager
def local_server(
    *,
    env: Mapping[str, str] | None = None,
    log_path: Path | None = None,
    command: Sequence[str] = SERVE_COMMAND,
    start_timeout_s: float = START_TIMEOUT_S,
    port: int = 0,
) -> Iterator[LocalServer]:
    """Run a server on a port of the loopback interface for as long as the context lasts.

    The process is in a group of its own: Ctrl-C reaches the code in the context, which stops the server on its way out.

    Args:
        env: Settings on top of this process's environment and of `PRIVATE`; `SERVER_HOST` and `SERVER_PORT` are set
            here.
        log_path: File for the server's output, overwritten; a temporary one if None.
        command: Program and arguments that start the server.
        start_timeout_s: Longest wait for a green `/health`, in seconds.
        port: Where; 0 for any that is free.

    Raises:
        ServerStartError: The process ended or stayed unhealthy.
    """
    with (
        tempfile.TemporaryDirectory(prefix="qwen3-asr-realtime-") as folder,
        contextlib.nullcontext(port) if port else reserved_port() as chosen_port,
    ):
        settings = {"SERVER_HOST": _HOST, "SERVER_PORT": str(chosen_port)}
        log_file = log_path or Path(folder, "server.log")
        with log_file.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the caller's own command, no shell
                command,
                env={**os.environ, **PRIVATE, **(env or {}), **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
            try:
                _wait_until_healthy(process, chosen_port, start_timeout_s, log_file)
                yield LocalServer(
                    url=f"ws://{_HOST}:{chosen_port}/api-ws/v1/realtime",
                    http_url=f"http://{_HOST}:{chosen_port}",
                    pid=process.pid,
                )
            finally:
                _stop(process)


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A free port of the loopback interface, which the system gives to nobody else for as long as the context lasts.

    On Linux a server can listen on it all the same, if it sets SO_REUSEADDR, as they do; elsewhere it is merely free.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((_HOST, 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, timeout_s: float, log_file: Path) -> None:
    deadline_s = time.monotonic() + timeout_s
    healthy = False
    while not healthy:
        healthy = _is_healthy(port)
        # Waits a little, and no longer once the process has ended.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if healthy else _POLL_S)
        if process.returncode is not None:
            raise ServerStartError(f"the server ended with status {process.returncode}{_tail(log_file)}")
        if time.monotonic() > deadline_s:
            raise ServerStartError(f"the server was not healthy after {timeout_s:g} s{_tail(log_file)}")


def _is_healthy(port: int) -> bool:
    # http.client goes past proxies in the environment, which urllib would use.
    connection = HTTPConnection(_HOST, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _tail(log_file: Path) -> str:
    with log_file.open(encoding="utf-8", errors="replace") as log:
        lines = deque(log, _LOG_TAIL_LINES)
    return "; its last words:\n" + "".join(lines) if lines else " and wrote nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    finally:
        # Also on a second Ctrl-C while the server drains. Harmless if it has ended.
        process.kill()
        process.wait()
