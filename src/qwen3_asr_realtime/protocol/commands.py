"""What the session core asks of the world around it.

`Session` returns these among its server events; whoever runs the session carries out the whole list in order.
"""

from dataclasses import dataclass

from qwen3_asr_realtime.protocol.configuration import TurnDetection


@dataclass(frozen=True, slots=True)
class AddAudio:
    """Decode appended audio, report `audio_received`, and listen to it.

    Attributes:
        audio: Base64 text as the client sent it, unchecked.
        event_id: The client's id of the append, for an error about it.
    """

    audio: str
    event_id: str | None


@dataclass(frozen=True, slots=True)
class FlushAudio:
    """Bring out what intake and detection still hold back, end open speech, then report `audio_flushed`."""


@dataclass(frozen=True, slots=True)
class DiscardAudio:
    """Forget what intake and detection still hold back, and any speech that is open."""


@dataclass(frozen=True, slots=True)
class ConfigureIntake:
    """From the next append on, audio comes in this format."""

    audio_format: str
    sample_rate: int


@dataclass(frozen=True, slots=True)
class ConfigureDetection:
    """From the next speech on, detect it so; None is Manual mode, where the client says where an utterance ends."""

    turn_detection: TurnDetection | None


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Begin recognising an item."""

    item_id: str
    language: str | None
    context: str


@dataclass(frozen=True, slots=True)
class StartSegment:
    """Speech audio that follows belongs to this item and begins at `start_sample` of the session."""

    item_id: str
    start_sample: int


@dataclass(frozen=True, slots=True)
class EndSegment:
    """The item's current speech ended at `end_sample` of the session; if it goes on there, what follows is not its."""

    item_id: str
    end_sample: int
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class FinishUtterance:
    """No more audio for this item: recognise it finally and report `completed` or `failed`."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CancelUtterance:
    """Stop recognising this item; report nothing."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection once everything before it has been sent.

    Attributes:
        code: WebSocket close code.
        reason: For the close frame.
        await_client: Give the client a moment to close by itself first (the Java SDK throws if it comes second).
    """

    code: int
    reason: str
    await_client: bool = False


Command = (
    AddAudio
    | FlushAudio
    | DiscardAudio
    | ConfigureIntake
    | ConfigureDetection
    | OpenUtterance
    | StartSegment
    | EndSegment
    | FinishUtterance
    | CancelUtterance
    | Close
)
