"""The API keys: which a connection shows, which this server admits, and whose they are."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import structlog

from qwen3_asr_realtime.settings import SettingsError

SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers; some clients send the key as a sub-protocol with this prefix."""

KEY_CHARS_MIN = 16
"""Nobody guesses a key this long over a network; a digest of a shorter one could be reversed by trying all."""

KEY_CHARS_MAX = 512

_DIGEST_ENTRY = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
_PLAIN_ENTRY = re.compile(r"[!-~]+")  # what a header can carry without an encoding of its own

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is admitted. The key itself is kept nowhere.

    Attributes:
        digest: SHA-256 of it, in hexadecimal.
        name: Of its owner, or "". Keys with one name are one tenant, so that a key can be changed without a gap.
        sessions: How many there may be at a time, instead of `MAX_SESSIONS_PER_KEY`; None for that.
    """

    digest: str
    name: str = ""
    sessions: int | None = None

    @property
    def tenant(self) -> str:
        """A name for its owner."""
        return self.name or self.digest[:16]


def digest_of(key: str) -> str:
    """SHA-256 of a key, in hexadecimal. Keys are long and random, so a slow hash would protect them no better."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def shown_key(headers: Mapping[str, str], query: str, subprotocols: Sequence[str]) -> str:
    """The key that a connection shows, or "": in the header, else in the query, else among the sub-protocols.

    Args:
        headers: Of the handshake, with names in any case.
        query: The query string, in which a second `?` is a `&`.
        subprotocols: Those offered.
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        key = parse_qs(query.replace("?", "&")).get("api_key", [""])[-1]
    if not key:
        offered = (name for name in subprotocols if name.startswith(SUBPROTOCOL_PREFIX))
        key = next(offered, "").removeprefix(SUBPROTOCOL_PREFIX)
    return key.strip()[:KEY_CHARS_MAX]


def tenant_of(headers: Mapping[str, str], query: str, subprotocols: Sequence[str]) -> str:
    """A name for the owner of the key that a connection shows, or "" if it shows none; where no key is checked.

    The name is a digest: keys are kept nowhere. The arguments are those of `shown_key`.
    """
    key = shown_key(headers, query, subprotocols)
    return digest_of(key)[:16] if key else ""


class Keyring:
    """The keys that are admitted: those listed, and those of a file, which is read again whenever it changes.

    The file is looked at with each handshake (a few microseconds); there is no watcher and no signal to send.

    Args:
        listed: Keys or digests, separated by commas; `API_KEYS`.
        path: A file with one a line; `API_KEYS_FILE`.

    Raises:
        SettingsError: There is something else among them, or no such file.
    """

    def __init__(self, listed: str = "", path: Path | None = None) -> None:
        self._listed = _parsed("API_KEYS", (entry for entry in listed.split(",") if entry.strip()))
        self._path = path
        self._in_file: Sequence[ApiKey] = ()
        self._seen: tuple[int, ...] = ()
        if path is not None:
            try:
                self._seen = _state(path)
                self._in_file = _read(path)
            except OSError as error:
                raise SettingsError(f"API_KEYS_FILE={path} cannot be read: {error.strerror}") from error

    @property
    def is_in_force(self) -> bool:
        """Whether a connection needs a key. With an empty file none is good enough."""
        return bool(self._listed) or self._path is not None

    def find(self, shown: str) -> ApiKey | None:
        """The key that was shown, if it is admitted; how long that takes says nothing about the others."""
        self._refresh()
        digest = digest_of(shown)
        found = None
        for key in (*self._listed, *self._in_file):
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            state = _state(self._path)
            if state == self._seen:
                return
            self._in_file = _read(self._path)
            self._seen = state  # not before: what could not be read now is to be read by the next
        except (OSError, SettingsError) as error:
            # In the middle of being written, perhaps. What was good a moment ago stays good until it can be read.
            log.error("keys not read again", error=str(error))  # noqa: TRY400 - a traceback would add nothing
        else:
            log.info("keys read again", keys=len(self._in_file))


def _state(path: Path) -> tuple[int, ...]:
    """What changes with the file, also where another one takes its place."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> list[ApiKey]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return _parsed("API_KEYS_FILE", (line.partition("#")[0] for line in lines))


def _parsed(source: str, entries: Iterable[str]) -> list[ApiKey]:
    return [_api_key(source, number, entry.split()) for number, entry in enumerate(entries, 1) if entry.split()]


def _api_key(source: str, number: int, words: Sequence[str]) -> ApiKey:
    """One entry: a key or its digest, then `name=` and `sessions=` as wanted. Errors never quote it."""
    where = f"{source}, entry {number}" if source == "API_KEYS" else f"{source}, line {number}"
    entry, *options = words
    if digest := _DIGEST_ENTRY.fullmatch(entry):
        key = ApiKey(digest[1].lower())
        if key.digest == digest_of(""):
            raise SettingsError(f"{where}: this is the digest of no key at all, which every client would show")
    elif not entry.lower().startswith("sha256:") and _PLAIN_ENTRY.fullmatch(entry):
        if not KEY_CHARS_MIN <= len(entry) <= KEY_CHARS_MAX:
            raise SettingsError(f"{where}: a key has {KEY_CHARS_MIN} to {KEY_CHARS_MAX} characters")
        key = ApiKey(digest_of(entry))
    else:
        raise SettingsError(f"{where}: neither a key of ASCII characters nor sha256: and 64 hexadecimal digits")
    name, sessions = key.name, key.sessions
    for option in options:
        match option.partition("="):
            case ("name", _, value) if value.isprintable() and value:
                name = value
            case ("sessions", _, value) if value.isascii() and value.isdecimal():
                sessions = int(value)
            case _:
                raise SettingsError(f"{where}: what follows a key is name=NAME or sessions=NUMBER")
    return ApiKey(key.digest, name, sessions)
