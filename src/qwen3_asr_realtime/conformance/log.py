"""What happened on one connection, in order."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Event: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["sent", "received", "note"]

_SHOWN_CHARS = 200
_ARROWS: dict[Kind, str] = {"sent": "→", "received": "←", "note": "·"}
_APPEND = "input_audio_buffer.append"


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame, or one turn of the connection's fate.

    Attributes:
        at_s: Seconds since the connection was open.
        kind: Who did it; `note` for what is not a frame.
        event: The frame's JSON object; None if it is none. An append of sound has only its type here.
        text: What the frame is, if it is no JSON object, or what happened.
        size: Bytes of the frame.
        audio_ms: Audio handed to the connection so far, this frame included.
    """

    at_s: float
    kind: Kind
    event: Event | None = None
    text: str = ""
    size: int = 0
    audio_ms: float = 0.0

    @property
    def type(self) -> str:
        """The event's type; "" if there is none."""
        kind = self.event.get("type") if self.event is not None else None
        return kind if isinstance(kind, str) else ""

    @property
    def content(self) -> str:
        """What the frame says, cut short."""
        content = self.text if self.event is None else json.dumps(self.event, ensure_ascii=False)
        return content if len(content) <= _SHOWN_CHARS else content[: _SHOWN_CHARS - 1] + "…"

    def __str__(self) -> str:
        return f"{self.at_s:8.3f} {_ARROWS[self.kind]} {self.content}"


@dataclass(slots=True)
class Log:
    """The entries of one connection.

    Attributes:
        name: What its case calls the connection; mostly "".
        entries: What happened, in order.
        is_read_late: Whether the client left frames in the socket for a while; their times say nothing then.
    """

    name: str = ""
    entries: list[Entry] = field(default_factory=list)
    is_read_late: bool = False

    def received(self, *types: str) -> list[Entry]:
        """The server's frames, or those with events of some types."""
        return [entry for entry in self.entries if entry.kind == "received" and (not types or entry.type in types)]

    def events(self, *types: str) -> list[Event]:
        """The server's events, or those of some types."""
        return [entry.event for entry in self.received(*types) if entry.event is not None]

    def tail(self, lines: int) -> list[str]:
        """The last entries as the report shows them; a row of appends is one line."""
        return list(_lines(self.entries))[-lines:]


def value_at(event: object, *path: str) -> object:
    """The value of a field inside a field; None if there is none, whatever is in its place."""
    value = event
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _lines(entries: Iterable[Entry]) -> Iterable[str]:
    appends: list[Entry] = []
    for entry in entries:
        if entry.kind == "sent" and entry.event == {"type": _APPEND}:
            appends.append(entry)
            continue
        yield from _append_line(appends)
        appends = []
        yield str(entry)
    yield from _append_line(appends)


def _append_line(appends: list[Entry]) -> Iterable[str]:
    if appends:
        size = sum(entry.size for entry in appends)
        yield (
            f"{appends[0].at_s:8.3f} → {len(appends)} × {_APPEND}, {size} bytes, "
            f"audio up to {appends[-1].audio_ms:.0f} ms"
        )
