"""A wire tap: a relay between a client and a server that keeps what the client sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

FRAME_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True)
class Tap:
    """What one client sent.

    Attributes:
        url: Where the client connects to, in place of the server's address.
        requests: Path and query of its handshakes.
        sent: Its events.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def wire_tap(server_url: str) -> Iterator[Tap]:
    """Relay text frames, and the close, in both directions for as long as the context lasts."""
    scheme, _, authority, path = server_url.split("/", 3)

    def relay(client: ServerConnection) -> None:
        tap.requests.append(client.request.path)
        with connect(f"{scheme}//{authority}{client.request.path}", max_size=FRAME_BYTES_MAX, proxy=None) as server:
            uploading = threading.Thread(target=upload, args=(client, server))
            uploading.start()
            with suppress(ConnectionClosed):
                for frame in server:
                    client.send(frame)
            client.close()
            uploading.join()

    def upload(client: ServerConnection, server: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            for frame in client:
                tap.sent.append(json.loads(frame))
                server.send(frame)
        server.close()

    with serve(relay, "127.0.0.1", 0, max_size=FRAME_BYTES_MAX) as relay_server:
        tap = Tap(f"ws://127.0.0.1:{relay_server.socket.getsockname()[1]}/{path}")
        serving = threading.Thread(target=relay_server.serve_forever)
        serving.start()
        try:
            yield tap
        finally:
            relay_server.shutdown()
            serving.join()
