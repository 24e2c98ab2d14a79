"""One file over HTTP: into a part beside its place, resumed where it broke off, and moved there once it is right."""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx

from qwen3_asr_realtime.models.catalogue import File
from qwen3_asr_realtime.models.store import size_of

CONNECT_TIMEOUT_S = 5.0
"""For a hub that does not answer at all: the next source is not to wait long."""
READ_TIMEOUT_S = 20.0
"""Longest silence in an answer."""
ATTEMPTS = 10
"""A file that broke off is asked for again, in all so often, and only if something came of it."""

PART = ".part"
NO_SUCH_RANGE = 416

AskFrom = Callable[[int], AbstractContextManager[httpx.Response]]
"""Asks for a file from a byte of it on."""


class SourceError(Exception):
    """A source does not have it, does not answer, or has something else; a few words for the operator."""


def new_client(connect_timeout_s: float = CONNECT_TIMEOUT_S, read_timeout_s: float = READ_TIMEOUT_S) -> httpx.Client:
    """A client that follows redirects, and the proxies and certificates of the environment."""
    timeout = httpx.Timeout(read_timeout_s, connect=connect_timeout_s)
    return httpx.Client(timeout=timeout, follow_redirects=True, headers={"Accept-Encoding": "identity"})


def download(
    client: httpx.Client,
    url: str,
    file: File,
    folder: Path,
    *,
    headers: dict[str, str] | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Put a file into a folder. What is there of it from before is not fetched again.

    Args:
        client: From `new_client`.
        url: Where it is.
        file: Its name, size and digest.
        folder: Where it is to be.
        headers: For that host alone: they do not follow a redirect to another one.
        on_progress: Called with the bytes that are there.

    Raises:
        SourceError: It did not come, or is not the right one; then nothing is left of it.
        OSError: The folder cannot be written to.
    """
    part = folder / f"{file.name}{PART}"
    resumed = size_of(part) > 0

    def ask_from(had: int) -> AbstractContextManager[httpx.Response]:
        ranges = {"Range": f"bytes={had}-"} if had else {}
        return client.stream("GET", url, headers=(headers or {}) | ranges)

    try:
        _receive(ask_from, file, part, on_progress)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{in_words(error)}, asked for {file.name}") from error
    if is_right(part, file):
        part.replace(folder / file.name)
        return
    part.unlink()
    if not resumed:
        raise SourceError(f"{file.name} is not what it should be: its digest is another one")
    # What lay here was perhaps the beginning of something else.
    download(client, url, file, folder, headers=headers, on_progress=on_progress)


def is_right(path: Path, file: File) -> bool:
    """Whether this is the file: its size, and its digest as it is known. Without a digest none is."""
    if size_of(path) != file.size or not path.exists():
        return False
    if file.sha256 is not None:
        return sha256_of(path) == file.sha256
    return _blob_sha1(path, file.size) == file.blob_sha1


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _blob_sha1(path: Path, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _receive(ask_from: AskFrom, file: File, part: Path, on_progress: Callable[[int], None]) -> None:
    """Ask for the file, and for what is still missing of it, until all of it is in `part`."""
    if size_of(part) > file.size:
        part.unlink()
    if not file.size:
        part.touch()
    for _ in range(ATTEMPTS):
        if (had := size_of(part)) >= file.size:
            return
        try:
            with ask_from(had) as response:
                _keep(response, file, part, on_progress)
        except httpx.TransportError:
            if size_of(part) <= had:
                raise
    if size_of(part) < file.size:
        raise SourceError(f"{file.name} breaks off again and again")


def _keep(response: httpx.Response, file: File, part: Path, on_progress: Callable[[int], None]) -> None:
    had, begins_at = size_of(part), _begins_at(response)
    if had and (response.status_code == NO_SUCH_RANGE or begins_at not in {None, 0, had}):
        part.write_bytes(b"")  # to be asked for once more, from the beginning
        return
    if begins_at not in {0, had}:
        raise SourceError(f"HTTP {response.status_code} for {file.name}")
    with part.open("ab" if begins_at else "wb") as out:
        for chunk in response.iter_raw():
            out.write(chunk)
            if out.tell() > file.size:
                break  # another file, and its digest will be another one too
            on_progress(out.tell())


def _begins_at(response: httpx.Response) -> int | None:
    """Where in the file the content of an answer begins; None if it has nothing of the file.

    The status does not tell: ModelScope answers a range with 200.
    """
    if response.status_code not in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return None
    given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(given[1]) if given else 0


def in_words(error: Exception) -> str:
    """What went wrong with a request, for a line of a message."""
    match error:
        case httpx.ConnectTimeout():
            return "cannot be reached"
        case httpx.ConnectError():
            return f"cannot be reached ({error})"
        case httpx.TimeoutException():
            return "does not answer"
        case _:
            return str(error) or type(error).__name__
