"""The forms of `session.update` that users of the SDK send, and what each means to the server."""

from typing import Any, NamedTuple

from tests.sdk.sdk import Event, Seen

MANUAL = None


class Payload(NamedTuple):
    """One update.

    Attributes:
        session: Its `session`, as it is on the wire.
        turn_detection: What is in force after it: threshold and silence in ms, or `MANUAL`.
        language: The same of the language.
    """

    session: Event
    turn_detection: tuple[float, int] | None
    language: str | None


def _vad(threshold: float, silence_ms: int, **more: Any) -> Event:
    return {
        "type": "server_vad",
        "threshold": threshold,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
        **more,
    }


_TEXT = {"modalities": ["text"], "voice": None}

PAYLOADS = [
    Payload(
        {
            **_TEXT,
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": None},
            "turn_detection": _vad(0.2, 800),
        },
        turn_detection=(0.2, 800),
        language=None,
    ),
    Payload(
        {
            **_TEXT,
            "input_audio_format": "pcm",
            "sample_rate": 16000,
            "output_audio_format": "pcm16",
            "input_audio_transcription": {},
            "turn_detection": _vad(0.0, 400, create_response=True),
        },
        turn_detection=(0.0, 400),
        language=None,
    ),
    Payload(
        {
            **_TEXT,
            "input_audio_format": "pcm",
            "sample_rate": 16000,
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"language": "zh", "corpus": {"text": "foo"}},
            "turn_detection": None,
        },
        turn_detection=MANUAL,
        language="zh",
    ),
    Payload(
        {
            **_TEXT,
            "audio": {"input": {"format": {"type": "pcm", "sample_rate": 16000}}},
            "input_audio_transcription": {"language": "en"},
            "turn_detection": _vad(0.2, 800),
        },
        turn_detection=(0.2, 800),
        language="en",
    ),
    Payload(
        {
            **_TEXT,
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": None,
            "turn_detection": _vad(0.2, 800),
        },
        turn_detection=(0.2, 800),
        language=None,
    ),
]
"""In the order in which the programs send them."""

FLAT_PAYLOADS = [payload for payload in PAYLOADS if "audio" not in payload.session]
"""Those of an SDK that does not know the nested form."""


def sent(frames: list[Event]) -> list[Event]:
    """The `session` of each update among a client's events."""
    return [frame["session"] for frame in frames if frame["type"] == "session.update"]


def understood(seen: Seen) -> list[tuple[tuple[float, int] | None, str | None]]:
    """Turn detection and language of each answer; its audio format must be the only one there is."""
    answers = [event["session"] for event in seen.of_type("session.updated")]
    assert {(answer["input_audio_format"], answer["sample_rate"]) for answer in answers} == {("pcm", 16000)}
    return [(_turn_detection(answer), answer["input_audio_transcription"].get("language")) for answer in answers]


def _turn_detection(session: Event) -> tuple[float, int] | None:
    vad = session["turn_detection"]
    return MANUAL if vad is None else (vad["threshold"], vad["silence_duration_ms"])
