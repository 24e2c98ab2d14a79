"""A hub on the loopback interface that serves files, or fails as it is told."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qwen3_asr_realtime.models.catalogue import File, Model, Packages, Repository

COMMIT = "c0ffee" * 6 + "c0ff"
CONTENT = {
    "config.json": b'{"add_source_bos": false}',
    "tokenizer.json": b'{"version": "1.0"}' * 9,
    "model.bin": b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(4096)),
}
"""A model of 128 KiB, of the form that CTranslate2 reads."""

REQUIREMENTS = ("tiny-weights-one==1.0", "tiny-weights-two==1.0")
PIECE = 1 << 16
HALF = len(CONTENT["model.bin"]) // 2


def file_of(name: str) -> File:
    return File(name, len(CONTENT[name]), hashlib.sha256(CONTENT[name]).hexdigest())


TINY = Model(
    name="whisper-tiny",
    engine="embedded",
    languages="2",
    licence="MIT",
    files=tuple(file_of(name) for name in CONTENT),
    repositories={
        "huggingface": Repository("acme/tiny", COMMIT),
        "modelscope": Repository("acme-cn/tiny", "master"),
    },
    packages=Packages(
        REQUIREMENTS,
        {
            "config.json": ("tiny_weights_one/data/config.json",),
            "tokenizer.json": ("tiny_weights_one/data/tokenizer.json",),
            "model.bin": ("tiny_weights_one/data/model.bin.part1", "tiny_weights_two/data/model.bin.part2"),
        },
    ),
)


class Hub:
    """What it serves by path, what it was asked for, and how it is to fail.

    Attributes:
        files: Content by path.
        requests: Path and headers of every request, in order; names of headers in lower case.
        statuses: Paths that get this status instead.
        redirects: Paths that are elsewhere.
        breaks: For a path, after how many bytes each next answer ends without its rest.
        ranges: `honoured`, `ignored`, `wrong`, or `as 200`, as ModelScope answers.
        before: Called with each path before it is answered.
        sent: Bytes of files that went out.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.statuses: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.breaks: dict[str, list[int]] = {}
        self.ranges = "honoured"
        self.sent = 0
        self.before: Callable[[str], None] = lambda path: None

    def serve(self, repository: str, revision: str, content: dict[str, bytes], prefix: str = "") -> None:
        """Have a repository, and list it as Hugging Face does."""
        for name, data in content.items():
            self.files[f"{prefix}/{repository}/resolve/{revision}/{name}"] = data
        self.list_files(repository, revision, [sibling(name, data) for name, data in content.items()])

    def list_files(self, repository: str, revision: str, siblings: list[dict[str, Any]]) -> None:
        listing = {"sha": revision, "siblings": siblings, "private": False}
        self.files[f"/api/models/{repository}/revision/main"] = json.dumps(listing).encode()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def asked_ranges(self, path: str) -> list[str | None]:
        return [headers.get("range") for asked, headers in self.requests if asked == path]


def sibling(name: str, data: bytes) -> dict[str, Any]:
    """A file in a listing of Hugging Face: large ones have a SHA-256, small ones what git calls them."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
    if len(data) > 1024:
        digest = hashlib.sha256(data).hexdigest()
        entry |= {"blobId": "0" * 40, "lfs": {"sha256": digest, "size": len(data), "pointerSize": 134}}
    return entry


@contextmanager
def running_hub() -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, hub)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that went away are meant to."""

    server = Server(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="hub")
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, hub: Hub) -> None:
    path = handler.path.partition("?")[0]
    hub.requests.append((path, {name.lower(): value for name, value in handler.headers.items()}))
    hub.before(path)
    if path in hub.redirects:
        handler.send_response(302)
        handler.send_header("Location", hub.redirects[path])
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    data = hub.files.get(path)
    status = hub.statuses.get(path, 200 if data is not None else 404)
    if status >= 400 or data is None:
        handler.send_error(status)
        return
    first, asked = 0, re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if asked and hub.ranges != "ignored":
        first = int(asked[1]) + (1 if hub.ranges == "wrong" else 0)
        if first >= len(data):
            handler.send_error(416)
            return
        status = 200 if hub.ranges == "as 200" else 206
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data) - first))
    if first or status == 206:
        handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    breaks = hub.breaks.get(path)
    end = first + breaks.pop(0) if breaks else len(data)
    for piece in range(first, end, PIECE):
        handler.wfile.write(data[piece : min(piece + PIECE, end)])
        hub.sent += min(PIECE, end - piece)
    handler.close_connection = True


@contextmanager
def deaf_address() -> Iterator[str]:
    """An address that takes no connection and refuses none: its queue is full, and nobody empties it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(listening.getsockname())
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()
