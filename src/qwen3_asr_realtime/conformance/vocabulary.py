"""The words that cases are written in: what a client does, what the server is to do, one step after the other.

A script is about the connection opened last, or the one named by `Use`. Interim results may come whenever an item is
open; a step that waits for another event lets them pass, and the standing rules look at every one of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from qwen3_asr_realtime.conformance.log import Log
from qwen3_asr_realtime.conformance.speech import Encoding, Recordings, Sound

EXPECT_WITHIN_S = 15.0
"""Longest wait for an event that is not about time: a busy server may take its while."""

Evidence: TypeAlias = Literal["DOC", "SDK", "WIRE", "OBS", "JUDGE", "RFC"]
"""What a rule rests on: the cloud's documentation, an SDK's source, our captures of an SDK, what others observed of the
cloud, our judgement, or the WebSocket standard."""

Need: TypeAlias = Literal["", "key", "loopback"]
"""What a case cannot do without: an API key to be refused, or a server on this machine."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection and go on with it; others stay open.

    Attributes:
        name: What `Use` calls it.
        query: Query string instead of `model=<the run's model>`.
        path: Path instead of the URL's.
        slash: End the path with a slash.
        scheme: Of the `Authorization` header.
        headers: Further headers.
        origin: The `Origin` header.
        subprotocols: Those to offer.
        selects: The one the server must select; None for none.
    """

    name: str = ""
    query: str | None = None
    path: str = ""
    slash: bool = False
    scheme: str = "Bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()
    selects: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectRefused:
    """Open a connection with a wrong key; the server must answer the handshake with one of these HTTP statuses."""

    statuses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flood:
    """Open connections until the server refuses one in the documented way, then drop them all without a goodbye."""

    at_most: int


@dataclass(frozen=True, slots=True)
class Use:
    """Go on with another connection."""

    name: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send one event. `event_id` is filled in unless the fields have one; there, None leaves it out.

    Attributes:
        type: The event's type.
        fields: Its other fields.
        fragments: WebSocket frames to send the message in.
    """

    type: str
    fields: Mapping[str, object] = field(default_factory=dict)
    fragments: int = 1


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a text frame that is no proper event; `times` of them."""

    text: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class SendBinary:
    """Send a sound as a binary frame."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class Append:
    """Send a sound, chunk by chunk.

    Attributes:
        sound: What is heard.
        chunk_ms: Audio in one append.
        chunk_bytes: Bytes in one append, instead of `chunk_ms`, if not 0.
        speed: Multiple of real time; infinite is as fast as the server takes it.
        sample_rate: Of what is sent, in Hz.
        encoding: Of what is sent.
        extra: Bytes after the last one of the sound.
        untidy: Base64 with line breaks and without padding.
    """

    sound: Sound
    chunk_ms: float = 100.0
    chunk_bytes: int = 0
    speed: float = math.inf
    sample_rate: int = 16_000
    encoding: Encoding = "pcm"
    extra: bytes = b""
    untidy: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a WebSocket ping and wait for its pong."""


@dataclass(frozen=True, slots=True)
class StopReading:
    """Read nothing from the socket any more, as a client does that uploads first and reads later."""


@dataclass(frozen=True, slots=True)
class StartReading:
    """Read again."""


@dataclass(frozen=True, slots=True)
class Expect:
    """The next event must be this one; interim results before it pass, unless it is one.

    Attributes:
        type: Its type.
        fields: What its fields must be; see `predicates`.
        within_s: Longest wait.
    """

    type: str
    fields: Mapping[str, object] = field(default_factory=dict)
    within_s: float = EXPECT_WITHIN_S


@dataclass(frozen=True, slots=True)
class ExpectUntil:
    """Whatever comes up to an event of this type passes here; a check or the standing rules judge it."""

    type: str
    within_s: float = EXPECT_WITHIN_S


@dataclass(frozen=True, slots=True)
class ExpectNothing:
    """No event at all, and no close, for a while."""

    for_s: float


@dataclass(frozen=True, slots=True)
class ExpectPing:
    """The server sends a ping."""

    within_s: float


@dataclass(frozen=True, slots=True)
class ExpectClose:
    """The server closes the connection, and nothing else comes before.

    Attributes:
        codes: Close codes, one of which it must give.
        within_s: Longest wait.
    """

    codes: tuple[int, ...]
    within_s: float = EXPECT_WITHIN_S


@dataclass(frozen=True, slots=True)
class Close:
    """Close as clients do, code 1000; the server must answer with a close of the same code."""


@dataclass(frozen=True, slots=True)
class Vanish:
    """Drop the TCP connection without a word."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a check may look at.

    Attributes:
        logs: Of the connections so far, by name.
        recordings: The speech.
    """

    logs: Mapping[str, Log]
    recordings: Recordings

    @property
    def log(self) -> Log:
        """The log of the only connection, or of the first."""
        return next(iter(self.logs.values()))


@dataclass(frozen=True, slots=True)
class Check:
    """Hold what came so far against a rule that needs code; it raises `Mismatch`."""

    rule: Callable[[Played], None]


Step: TypeAlias = (
    Connect
    | ConnectRefused
    | Flood
    | Use
    | Send
    | SendText
    | SendBinary
    | Append
    | Ping
    | StopReading
    | StartReading
    | Expect
    | ExpectUntil
    | ExpectNothing
    | ExpectPing
    | ExpectClose
    | Close
    | Vanish
    | Check
)
Script: TypeAlias = Sequence[Step]
StandingRule: TypeAlias = Callable[[Log], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One statement of the specification and how to try it.

    After the script's last step its connections are closed; an event nobody waited for fails the case.

    Attributes:
        id: Short name, unique.
        title: The statement.
        proves: Sections, checklist lines and table rows of the specification.
        evidence: What the statement rests on.
        script: What to do and what must come.
        uncertain: Why the cloud may behave otherwise; "" where it is not in doubt. A deviation then is none in tolerant
            mode.
        always: A rule that holds on every connection of the whole run, whatever the case; raises `Mismatch`.
        alone: Whether the case measures time and must not share the server with busy ones.
        needs: What it cannot do without.
    """

    id: str
    title: str
    proves: tuple[str, ...]
    evidence: Evidence
    script: Script
    uncertain: str = ""
    always: StandingRule | None = None
    alone: bool = False
    needs: Need = ""
