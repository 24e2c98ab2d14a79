"""Clients below the client library: raw sockets, bytes one by one, and a tunnel that goes dark."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.server.harness import REALTIME, UPGRADE
from websockets.frames import Frame, Opcode

HANDSHAKE = f"GET {REALTIME} HTTP/1.1\r\n{UPGRADE}\r\n".encode()


TIMEOUT_S = 20


class Raw:
    """A connection on which a test sends bytes, with the smallest buffers that the system has."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def send_event(self, type_: str, **fields: object) -> None:
        await self.send(text_frame(json.dumps({"type": type_, **fields})))

    async def read(self) -> bytes:
        """What comes next; nothing at the end, however it came."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await self._loop.sock_recv(self.sock, 65536)
            except ConnectionError:
                return b""

    async def read_until(self, words: bytes) -> None:
        """Everything up to some words."""
        answer = b""
        while words not in answer:
            answer += (part := await self.read())
            assert part, f"the server hung up after {answer[-200:]!r}"

    async def read_all(self) -> bytes:
        """Everything until the end."""
        parts = []
        while part := await self.read():
            parts.append(part)
        return b"".join(parts)

    async def upgrade(self) -> None:
        """Shake hands, and read no further than that."""
        await self.send(HANDSHAKE)
        answer = b""
        async with asyncio.timeout(TIMEOUT_S):
            while not answer.endswith(b"\r\n\r\n"):
                answer += (letter := await self._loop.sock_recv(self.sock, 1))
                assert letter, f"the server hung up after {answer!r}"
        assert answer.startswith(b"HTTP/1.1 101")


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Raw]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes a few kB of it
    sock.setblocking(False)
    with sock:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Raw(sock)


def text_frame(text: str) -> bytes:
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


class Tunnel:
    """Passes bytes on between a client and the server, until it goes dark: then both ends stay open and hear nothing.

    Attributes:
        port: Where it listens.
    """

    def __init__(self) -> None:
        self.port = 0
        self._light = asyncio.Event()
        self._light.set()

    def go_dark(self) -> None:
        self._light.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._light.wait()
            writer.write(data)


@asynccontextmanager
async def tunnel(port: int) -> AsyncIterator[Tunnel]:
    """A tunnel to the server on a port."""
    dug = Tunnel()
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        carrying.update(asyncio.create_task(dug.carry(*ends)) for ends in ((reader, far_writer), (far_reader, writer)))
        closing.extend((writer, far_writer))

    closing: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listening:
        dug.port = listening.sockets[0].getsockname()[1]
        try:
            yield dug
        finally:
            for task in carrying:
                task.cancel()
            for writer in closing:
                writer.transport.abort()
                with suppress(ConnectionError):
                    await writer.wait_closed()
