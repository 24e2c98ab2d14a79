"""Everything that crosses the wire, as types.

Client events are read leniently (unknown fields are ignored, ids are optional) and checked where they are used; server
events are written exactly as documented. One event is one JSON object in one text frame, both ways.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from qwen3_asr_realtime.protocol.errors import ErrorType, ProtocolError

# --- client → server -------------------------------------------------------------------------------------------------


class ClientEvent(Struct, frozen=True, kw_only=True):
    """An event from the client; `event_id` is the client's own and need be neither present nor unique."""

    event_id: str | None = None


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag_field="type", tag="session.update"):
    """Change the configuration; `session` is checked field by field in `configuration.py`."""

    session: Any


class AudioAppend(ClientEvent, frozen=True, kw_only=True, tag_field="type", tag="input_audio_buffer.append"):
    """Base64 audio in the session's format, of any length."""

    audio: str


class AudioCommit(ClientEvent, frozen=True, kw_only=True, tag_field="type", tag="input_audio_buffer.commit"):
    """Everything buffered is one utterance (Manual mode)."""


class AudioClear(ClientEvent, frozen=True, kw_only=True, tag_field="type", tag="input_audio_buffer.clear"):
    """Forget the buffered audio and its previews."""


class SessionFinish(ClientEvent, frozen=True, kw_only=True, tag_field="type", tag="session.finish"):
    """No more audio: finish what there is and say so."""


class IgnoredEvent(ClientEvent, frozen=True, kw_only=True):
    """An event that SDK samples send out of habit and that means nothing here."""


class UnsupportedEvent(ClientEvent, frozen=True, kw_only=True):
    """An event this protocol does not have."""

    type: str


class _Envelope(Struct):
    """The few fields any client event may have, before its type is known."""

    type: Any = None
    event_id: Any = None
    session: Any = None
    audio: Any = None


_PLAIN_EVENTS: dict[str, type[ClientEvent]] = {
    "input_audio_buffer.commit": AudioCommit,
    "input_audio_buffer.clear": AudioClear,
    "session.finish": SessionFinish,
    "response.create": IgnoredEvent,
    "response.cancel": IgnoredEvent,
}


class _LongEnvelope(Struct):
    """The same of a long event, of which nothing but texts is made: 16 MB of `[{},{},…` would be 340 MB of objects."""

    type: str | None = None
    event_id: str | None = None
    audio: str | None = None


EVENT_CHARS_MAX = 1024 * 1024
"""Longest event other than an append, in characters: context that goes to a model is a hundredth of it."""

_envelope_decoder = msgspec.json.Decoder(_Envelope)
_long_envelope_decoder = msgspec.json.Decoder(_LongEnvelope)


class MalformedEvent(ProtocolError):
    """A frame that is no event at all; a row of them ends the connection."""


def decode_client_event(frame: str | bytes) -> ClientEvent:
    """Read one text frame.

    Raises:
        MalformedEvent: It is not a JSON object with a string `type`.
        ProtocolError: It is an event, but a field it cannot do without has the wrong type, or it is too long.
    """
    try:
        envelope = _envelope_decoder.decode(frame) if len(frame) <= EVENT_CHARS_MAX else _long_append(frame)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedEvent(f"Invalid JSON event: {error}", code="invalid_json") from error
    except RecursionError as error:
        raise MalformedEvent("Invalid JSON event: nested too deeply", code="invalid_json") from error
    event_id = envelope.event_id if isinstance(envelope.event_id, str) else None
    match envelope.type:
        case "input_audio_buffer.append":
            if not isinstance(envelope.audio, str):
                raise ProtocolError("'audio' must be a base64 string.", param="audio", event_id=event_id)
            return AudioAppend(event_id=event_id, audio=envelope.audio)
        case "session.update":
            return SessionUpdate(event_id=event_id, session=envelope.session)
        case str(name) if name in _PLAIN_EVENTS:
            return _PLAIN_EVENTS[name](event_id=event_id)
        case str(name):
            return UnsupportedEvent(event_id=event_id, type=name)
        case _:
            raise MalformedEvent("'type' must be a string.", param="type", event_id=event_id)


def _long_append(frame: str | bytes) -> _Envelope:
    long = _long_envelope_decoder.decode(frame)
    if long.type is not None and long.type != "input_audio_buffer.append":
        message = f"Events other than input_audio_buffer.append may have {EVENT_CHARS_MAX} characters."
        raise ProtocolError(message, event_id=long.event_id)
    return _Envelope(long.type, long.event_id, audio=long.audio)


# --- server → client -------------------------------------------------------------------------------------------------


class CorpusView(Struct, frozen=True):
    """The context text, as echoed."""

    text: str


class TranscriptionView(Struct, frozen=True, kw_only=True):
    """Transcription settings, as echoed; some clients disconnect if `model` is missing or not what they asked for."""

    model: str
    language: str | UnsetType = UNSET
    corpus: CorpusView | UnsetType = UNSET


class TurnDetectionView(Struct, frozen=True, kw_only=True):
    """Endpointing settings, as echoed, on the API's threshold scale [-1, 1]."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float
    silence_duration_ms: int


class SessionView(Struct, frozen=True, kw_only=True):
    """The whole effective configuration, in `session.created` and `session.updated`."""

    id: str
    object: Literal["realtime.session"] = "realtime.session"
    model: str
    modalities: tuple[Literal["text"]] = ("text",)
    input_audio_format: str
    sample_rate: int
    input_audio_transcription: TranscriptionView
    turn_detection: TurnDetectionView | None


class AudioContent(Struct, frozen=True):
    """The content of an item; its transcript is always null here and comes in `completed`."""

    type: Literal["input_audio"] = "input_audio"
    transcript: None = None


class ItemView(Struct, frozen=True, kw_only=True):
    """An item as announced. `completed` says that its audio is complete, not that its text is ready."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: Literal["completed"] = "completed"
    role: Literal["user"] = "user"
    content: tuple[AudioContent] = (AudioContent(),)


class Usage(Struct, frozen=True):
    """Audio seconds of the session so far, rounded up, not of the one item."""

    duration: int


class ErrorView(Struct, frozen=True, kw_only=True):
    """Why an event was refused."""

    type: ErrorType
    code: str
    message: str
    param: str | None
    event_id: str | None


class FailureView(Struct, frozen=True, kw_only=True):
    """Why an item has no transcript."""

    code: str
    message: str
    param: str | None = None


class ServerEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """An event to the client, with an id unique to it."""

    event_id: str


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """Always the first event, sent without waiting for the client."""

    session: SessionView


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The configuration after a `session.update`."""

    session: SessionView


class SpeechStarted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """VAD mode: speech was found; `audio_start_ms` includes the pre-roll, on the session's audio timeline."""

    audio_start_ms: int
    item_id: str


class SpeechStopped(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """VAD mode: the turn ended; `audio_end_ms` is where speech ended, without the silence that proved it."""

    audio_end_ms: int
    item_id: str


class AudioCommitted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """An item's audio is complete. The first item's `previous_item_id` is "", never null."""

    previous_item_id: str
    item_id: str


class AudioCleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The answer to `input_audio_buffer.clear`."""


class ItemCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """Follows `committed` at once."""

    previous_item_id: str
    item: ItemView


class TranscriptionText(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.text"):
    """A preview: `text` only ever grows within an item, `stash` may be rewritten; their concatenation is shown."""

    item_id: str
    content_index: int = 0
    language: str
    emotion: str = "neutral"
    text: str
    stash: str


class TranscriptionCompleted(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """The final transcript of an item; "" if nothing was said."""

    item_id: str
    content_index: int = 0
    language: str
    emotion: str
    transcript: str
    usage: Usage
    x_trace: dict[str, float] | UnsetType = UNSET
    """Where its time went, in milliseconds, for those who measure; not part of the cloud's protocol."""


class TranscriptionFailed(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """An item that could not be recognised; the session goes on."""

    item_id: str
    content_index: int = 0
    error: FailureView


class SessionFinished(ServerEvent, frozen=True, kw_only=True, tag="session.finished"):
    """Always the last event, only ever in answer to `session.finish`."""

    transcript: str | UnsetType = UNSET


class ErrorEvent(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """A client event was refused, or the server failed."""

    error: ErrorView


_encoder = msgspec.json.Encoder()


def encode_server_event(event: ServerEvent) -> str:
    """Write one event as the text of one frame."""
    return _encoder.encode(event).decode()
