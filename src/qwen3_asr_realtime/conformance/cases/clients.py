"""Section 11.3 and the payloads of section 3.1: clients as they are, each with its habits."""

from typing import Final

from qwen3_asr_realtime.conformance.checks import transcripts_are
from qwen3_asr_realtime.conformance.events import (
    CREATED,
    FINISHED,
    STARTED,
    STOPPED,
    UPDATED,
)
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SPOKEN,
    committed,
    connected,
    expect_updated,
    manual,
    turn,
    update,
)
from qwen3_asr_realtime.conformance.predicates import (
    ABSENT,
    INTEGER,
    MODEL,
    PRESENT,
    item,
    number,
    same,
)
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED, SECOND, silence
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Check,
    Close,
    Connect,
    Expect,
    ExpectUntil,
    Send,
)

_DATED = "qwen3-asr-flash-realtime-2026-02-10"
_PYTHON_HEADERS: Final = {
    "user-agent": "dashscope/2.0.2; python/3.11.9; platform/Linux; processor/x86_64",
    "x-dashscope-sdk-client": "python-sdk/2.0.2/audio",
}
_PCM16: Final = "the cloud refuses pcm16, which SDKs send where the user names no format"


def _python(id_: str, title: str, session: dict[str, object], echo: dict[str, object], uncertain: str = "") -> Case:
    """The Python SDK: update without waiting for anything, audio, `end_session()`, `close()`."""
    in_vad = session["turn_detection"] is not None
    events = turn("a", FIRST) if in_vad else committed("a", FIRST)
    return Case(
        f"python-{id_}",
        f"Python SDK: {title}; end_session() returns within a second of the final",
        ("§15.3", "§3.1", "§9"),
        "WIRE",
        (
            Connect(headers=_PYTHON_HEADERS, origin="http://localhost"),
            update(**session),
            Expect(CREATED),
            expect_updated(model=MODEL, **echo),
            Append(SPOKEN),
            FINISH,
            *events,
            Expect(FINISHED, within_s=1.0),
            Close(),
        ),
        uncertain=uncertain,
    )


def _vad(**fields: object) -> dict[str, object]:
    return {"type": "server_vad", **fields}


SDKS = (
    _python(
        "defaults",
        "update_session with nothing but modalities",
        {
            "modalities": ["text"],
            "voice": None,
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": None},
            "turn_detection": _vad(threshold=0.2, prefix_padding_ms=300, silence_duration_ms=800),
        },
        {
            "modalities": ["text"],
            "input_audio_transcription": {"model": MODEL, "language": ABSENT, "corpus": ABSENT},
            "turn_detection": _vad(threshold=number(0.2), silence_duration_ms=800),
        },
        uncertain=_PCM16,
    ),
    _python(
        "manual",
        "turn detection off, language and corpus given",
        {
            "modalities": ["text"],
            "voice": None,
            "input_audio_format": "pcm",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"language": "en", "corpus": {"text": "foo"}},
            "turn_detection": None,
            "sample_rate": 16000,
        },
        {"input_audio_transcription": {"language": "en", "corpus": {"text": "foo"}}, "turn_detection": None},
    ),
    _python(
        "turn-detection-param",
        "threshold, silence and create_response given",
        {
            "modalities": ["text"],
            "voice": None,
            "input_audio_format": "pcm",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {},
            "turn_detection": _vad(threshold=0.0, prefix_padding_ms=300, silence_duration_ms=400, create_response=True),
            "sample_rate": 16000,
        },
        {"turn_detection": _vad(threshold=number(0), silence_duration_ms=400)},
    ),
    _python(
        "nested-format",
        "format and rate in audio.input.format",
        {
            "modalities": ["text"],
            "voice": None,
            "audio": {"input": {"format": {"type": "pcm", "sample_rate": 16000}}},
            "input_audio_transcription": {"language": "en"},
            "turn_detection": _vad(threshold=0.2, prefix_padding_ms=300, silence_duration_ms=800),
        },
        {"input_audio_format": "pcm", "sample_rate": 16000, "input_audio_transcription": {"language": "en"}},
    ),
    Case(
        "java",
        "Java SDK: nested and flat fields together, nulls written out; the nested rate wins",
        ("§3.1", "§11.1"),
        "SDK",
        (
            Connect(headers={"user-agent": "dashscope/2.22.29; java/17.0.9; platform/Linux; processor/amd64"}),
            Expect(CREATED),
            update(
                modalities=["text"],
                voice=None,
                input_audio_format="pcm16",
                output_audio_format="pcm24",
                sample_rate=16000,
                audio={"input": {"format": {"type": "pcm", "sample_rate": 8000}}},
                input_audio_transcription={"model": None, "language": None, "corpus": {"text": None}},
                turn_detection=None,
            ),
            expect_updated(input_audio_format="pcm", sample_rate=8000, turn_detection=None),
            Append(FIRST, sample_rate=8000, chunk_bytes=1024),
            COMMIT,
            *committed("a", FIRST),
            FINISH,
            EXPECT_FINISHED,
            Close(),
        ),
        uncertain="that the nested fields win is our judgement",
    ),
)

HABITS = (
    Case(
        "vxbeamer",
        "vxbeamer: update, audio, commit and finish without a pause and under one event id",
        ("§11.3 vxbeamer",),
        "OBS",
        (
            Connect(),
            Send(
                "session.update",
                {"event_id": "event_123", "session": {"input_audio_transcription": {}, "turn_detection": None}},
            ),
            Append(FIRST),
            Send("input_audio_buffer.commit", {"event_id": "event_123"}),
            Send("session.finish", {"event_id": "event_123"}),
            Expect(CREATED),
            Expect(UPDATED),
            *committed("a", FIRST),
            EXPECT_FINISHED,
        ),
    ),
    Case(
        "openless",
        "OpenLess: VAD without a threshold, silence 500; session.updated within 5 s, the end within 12 s, no error",
        ("§11.3 OpenLess", "§15.6"),
        "OBS",
        (
            Connect(),
            update(turn_detection={"type": "server_vad", "silence_duration_ms": 500}),
            Expect(CREATED, {"session": {"turn_detection": {"threshold": same("threshold")}}}, within_s=5),
            Expect(
                UPDATED,
                {"session": {"turn_detection": {"threshold": same("threshold"), "silence_duration_ms": 500}}},
                within_s=5,
            ),
            Append(SPOKEN + FIRST_INTERRUPTED, speed=4),
            FINISH,
            ExpectUntil(FINISHED, within_s=12),
            Check(transcripts_are(FIRST, FIRST_INTERRUPTED)),
        ),
    ),
    Case(
        "neko-commits",
        "N.E.K.O: three commits on one socket, each final in time",
        ("§11.3 N.E.K.O",),
        "OBS",
        (
            *manual(),
            *(
                step
                for name, sound, before in (("a", FIRST, PRESENT), ("b", SECOND, item("a")), ("c", FIRST, item("b")))
                for step in (Append(sound, chunk_ms=20), COMMIT, *committed(name, sound, previous=before, within_s=3))
            ),
        ),
        alone=True,
    ),
    Case(
        "neko-vad",
        "N.E.K.O: nothing but the type of turn detection, and the turn ends by itself",
        ("§11.3 N.E.K.O", "§15.6"),
        "OBS",
        (
            *connected(),
            update(turn_detection={"type": "server_vad"}),
            Expect(UPDATED),
            Append(FIRST + silence(2.5)),
            *turn("a", FIRST),
        ),
    ),
    Case(
        "mictype",
        "MicType: no event ids, the dated model echoed twice, Manual mode without a commit, the final within 3 s",
        ("§11.3 MicType", "§15.11"),
        "OBS",
        (
            Connect(query=f"model={_DATED}"),
            Expect(CREATED, {"session": {"model": _DATED, "input_audio_transcription": {"model": _DATED}}}, within_s=4),
            Send(
                "session.update",
                {"event_id": None, "session": {"input_audio_format": "pcm", "turn_detection": None}},
            ),
            Expect(UPDATED, {"session": {"model": _DATED, "input_audio_transcription": {"model": _DATED}}}, within_s=4),
            Append(FIRST, chunk_bytes=32_000),
            Send("session.finish", {"event_id": None}),
            *committed("a", FIRST, within_s=3),
            EXPECT_FINISHED,
        ),
        alone=True,
    ),
    Case(
        "bibi",
        "BiBi keyboard: audio right after update, commit, the final within 6 s, then a close without finish",
        ("§11.3 BiBi keyboard (Java SDK)",),
        "OBS",
        (
            Connect(),
            update(input_audio_format="pcm", sample_rate=16000, turn_detection=None),
            Append(FIRST),
            COMMIT,
            Expect(CREATED),
            Expect(UPDATED),
            *committed("a", FIRST, within_s=6),
            Close(),
        ),
        alone=True,
    ),
    Case(
        "cogd",
        "cogd: 928-byte chunks, three turns on one socket, integers and ids in every event of a turn",
        ("§11.3 cogd (ESP32)", "§15.9"),
        "OBS",
        (
            *connected(),
            update(turn_detection=_vad(threshold=0.0, silence_duration_ms=400)),
            expect_updated(
                modalities=["text"],
                input_audio_format="pcm",
                sample_rate=16000,
                turn_detection=_vad(threshold=number(0), silence_duration_ms=400),
            ),
            *(
                step
                for name, sound in (("a", FIRST), ("b", SECOND), ("c", FIRST))
                for step in (
                    Append(sound + silence(1), chunk_bytes=928),
                    Expect(STARTED, {"item_id": item(name), "audio_start_ms": INTEGER}),
                    Expect(STOPPED, {"item_id": item(name), "audio_end_ms": INTEGER}),
                    *committed(name, sound),
                )
            ),
            FINISH,
            EXPECT_FINISHED,
        ),
    ),
    Case(
        "lingxi",
        "lingxi: everything asked for is echoed, and the close handshake after session.finished is clean",
        ("§11.3 lingxi (Rust)",),
        "OBS",
        (
            Connect(),
            Expect(CREATED, {"session": {"id": same("id")}}),
            update(
                modalities=["text"],
                input_audio_format="pcm",
                sample_rate=16000,
                input_audio_transcription={"language": "en", "corpus": {"text": "Norland, Dashwood"}},
                turn_detection=_vad(threshold=-0.25, silence_duration_ms=650),
            ),
            expect_updated(
                id=same("id"),
                model=MODEL,
                modalities=["text"],
                input_audio_format="pcm",
                sample_rate=16000,
                input_audio_transcription={"model": MODEL, "language": "en", "corpus": {"text": "Norland, Dashwood"}},
                turn_detection=_vad(threshold=number(-0.25), silence_duration_ms=650),
            ),
            Append(FIRST + silence(1.5)),
            *turn("a", FIRST, language="en"),
            FINISH,
            EXPECT_FINISHED,
            Close(),
        ),
    ),
)
