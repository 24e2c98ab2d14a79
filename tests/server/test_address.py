"""Where the server listens."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from qwen3_asr_realtime.engines.scripted import ScriptedEngine
from qwen3_asr_realtime.server.address import AddressError, bound_socket, listen
from qwen3_asr_realtime.server.serve import OwnPort, run_until_stopped
from qwen3_asr_realtime.settings import Settings


def settings(port: int = 0, **others: int) -> Settings:
    return Settings(_env_file=None, server_host="127.0.0.1", server_port=port, **others)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bound_socket(settings()) as found:
        yield found


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


async def test_small_events_do_not_wait_for_an_acknowledgement(listener: socket.socket) -> None:
    """Whichever event loop there is: uvloop sees to it by itself, asyncio where the socket says that it is TCP's."""
    accepted: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Accepted, sock=listener)
    with socket.create_connection(listener.getsockname()):
        transport = await accepted
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.abort()
        await asyncio.sleep(0)
    server.close()
    await server.wait_closed()


def test_a_port_that_is_taken(listener: socket.socket) -> None:
    listen(listener)
    with pytest.raises(AddressError, match=f"cannot listen on 127.0.0.1:{port_of(listener)}: .*SERVER_PORT"):
        bound_socket(settings(port_of(listener)))


class TakenMeanwhile(ScriptedEngine):
    """Another server begins to listen while this one loads its model."""

    def __init__(self, other: socket.socket) -> None:
        super().__init__()
        self._other = other

    async def start(self) -> None:
        listen(self._other)


@pytest.mark.parametrize("setting", ["SERVER_PORT", "METRICS_PORT"])
def test_of_two_servers_started_together_one_says_that_the_port_is_taken(listener: socket.socket, setting: str) -> None:
    """The system lets both of them have it, until one listens."""
    port = port_of(listener)
    values = settings(port) if setting == "SERVER_PORT" else settings(metrics_port=port)
    with (
        bound_socket(values) as own,
        pytest.raises(AddressError, match=f"cannot listen on 127.0.0.1:{port}: .*{setting}"),
    ):
        run_until_stopped(values, TakenMeanwhile(listener), OwnPort(own))
