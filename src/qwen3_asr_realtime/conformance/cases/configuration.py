"""Section 3.1: what `session.update` changes and what it leaves alone."""

from qwen3_asr_realtime.conformance.checks import starts_differ
from qwen3_asr_realtime.conformance.events import CREATED, TEXT, UPDATED
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SPOKEN,
    VAD,
    committed,
    configured,
    connected,
    expect_error,
    expect_updated,
    manual,
    turn,
    update,
    vad,
)
from qwen3_asr_realtime.conformance.predicates import ABSENT, number, same
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED, SECOND, silence
from qwen3_asr_realtime.conformance.vocabulary import Append, Case, Check, Connect, Expect

_JUDGED = "not documented; the rule is ours"
_AFTER_AUDIO = "the cloud was seen to close with 1007 at an update after the first audio"

DEFAULT_VAD = {"type": "server_vad", "threshold": same("threshold"), "silence_duration_ms": same("silence")}
"""Turn detection as `session.created` has it, whatever the server's defaults are."""

_CREATED = (Connect(), Expect(CREATED, {"session": {"turn_detection": DEFAULT_VAD}}))
_SHORT_PAUSE = FIRST + silence(0.9) + SECOND + silence(0.9)

TURN_DETECTION = (
    Case(
        "vad-stays-if-absent",
        "session.update without turn_detection keeps VAD mode with its settings",
        ("§15.6", "§3.1 E"),
        "DOC",
        (
            *_CREATED,
            update(input_audio_transcription={"language": "en"}),
            expect_updated(turn_detection=DEFAULT_VAD),
            Append(SPOKEN),
            *turn("a", FIRST),
        ),
    ),
    Case(
        "manual-by-null",
        "turn_detection null is Manual mode: no turn begins or ends before the commit",
        ("§15.6", "§5.2"),
        "DOC",
        (
            *connected(),
            update(turn_detection=None),
            expect_updated(turn_detection=None),
            Append(SPOKEN),
            Expect(TEXT),
            COMMIT,
            *committed("a", FIRST),
        ),
    ),
    Case(
        "manual-stays-if-absent",
        "a later session.update without turn_detection keeps Manual mode",
        ("§15.6", "§3.1 E"),
        "JUDGE",
        (*manual(), update(input_audio_transcription={"language": "en"}), expect_updated(turn_detection=None)),
        uncertain=_JUDGED,
    ),
    Case(
        "vad-by-type-alone",
        "turn_detection with nothing but its type has the defaults",
        ("§15.6", "§3.1 E"),
        "OBS",
        (*_CREATED, update(turn_detection={"type": "server_vad"}), expect_updated(turn_detection=DEFAULT_VAD)),
    ),
    Case(
        "vad-back-from-manual",
        "the mode may change between items, and an object in place of null starts from the defaults",
        ("§3.1",),
        "JUDGE",
        (
            *_CREATED,
            update(turn_detection=None),
            expect_updated(turn_detection=None),
            Append(FIRST),
            COMMIT,
            *committed("manual", FIRST),
            update(turn_detection={"type": "server_vad"}),
            expect_updated(turn_detection=DEFAULT_VAD),
            Append(SECOND + silence(1.5)),
            *turn("vad", SECOND),
        ),
        uncertain=_AFTER_AUDIO,
    ),
    Case(
        "vad-limits-are-allowed",
        "threshold -1 and 1, silence 200 and 6000 ms are within the range",
        ("§3.1", "§8"),
        "DOC",
        (
            *connected(),
            update(turn_detection={"type": "server_vad", "threshold": -1, "silence_duration_ms": 200}),
            expect_updated(turn_detection={"threshold": number(-1), "silence_duration_ms": 200}),
            update(turn_detection={"type": "server_vad", "threshold": 1, "silence_duration_ms": 6000}),
            expect_updated(turn_detection={"threshold": number(1), "silence_duration_ms": 6000}),
        ),
    ),
    Case(
        "silence-is-obeyed",
        "a pause shorter than silence_duration_ms does not end the turn",
        ("§3.1",),
        "DOC",
        (
            *configured(turn_detection={**VAD, "silence_duration_ms": 2500}),
            Append(_SHORT_PAUSE),
            FINISH,
            *turn("both", FIRST + SECOND),
            EXPECT_FINISHED,
        ),
    ),
    Case(
        "pre-roll-is-obeyed",
        "prefix_padding_ms is audio before the onset that belongs to the turn",
        ("§3.1", "§4.3"),
        "SDK",
        (
            *configured("with 500 ms", turn_detection={**VAD, "prefix_padding_ms": 500}),
            Append(silence(1) + SPOKEN),
            *turn("long", FIRST),
            *configured("with 100 ms", turn_detection={**VAD, "prefix_padding_ms": 100}),
            Append(silence(1) + SPOKEN),
            *turn("short", FIRST),
            Check(starts_differ("with 500 ms", "with 100 ms", by_ms=400)),
        ),
        uncertain="SDKs send it, the documentation does not have it",
    ),
)

MERGING = (
    Case(
        "update-twice",
        "a second session.update before any audio is answered like the first",
        ("§5.4 second session.update before audio", "§3.1"),
        "JUDGE",
        (
            *connected(),
            update(turn_detection={**VAD, "silence_duration_ms": 700}),
            expect_updated(id=same("session"), turn_detection={"silence_duration_ms": 700}),
            update(turn_detection={**VAD, "silence_duration_ms": 900}),
            expect_updated(id=same("session"), turn_detection={"silence_duration_ms": 900}),
        ),
        uncertain="one source says that the cloud closes with 1007",
    ),
    Case(
        "update-merges",
        "a field that is absent stays as it was, at every depth",
        ("§3.1",),
        "JUDGE",
        (
            *connected(),
            update(
                input_audio_transcription={"language": "en", "corpus": {"text": "Dashwood"}},
                turn_detection={"type": "server_vad", "threshold": 0.3, "silence_duration_ms": 700},
            ),
            Expect(UPDATED),
            update(
                input_audio_transcription={"corpus": {"text": "Norland"}},
                turn_detection={"type": "server_vad", "silence_duration_ms": 800},
            ),
            expect_updated(
                input_audio_transcription={"language": "en", "corpus": {"text": "Norland"}},
                turn_detection={"threshold": number(0.3), "silence_duration_ms": 800},
            ),
        ),
        uncertain=_JUDGED,
    ),
    Case(
        "transcription-empty-resets",
        "an `input_audio_transcription` that says nothing means automatic detection again",
        ("§3.1",),
        "DOC",
        (
            *connected(),
            update(input_audio_transcription={"language": "en", "corpus": {"text": "Dashwood"}}),
            Expect(UPDATED),
            update(input_audio_transcription={}),
            expect_updated(input_audio_transcription={"language": ABSENT, "corpus": ABSENT}),
        ),
        uncertain=_JUDGED,
    ),
    Case(
        "update-in-midstream",
        "between two items language, corpus, threshold and silence may change, and the next item has them",
        ("§5.4 session.update mid-stream", "§3.1"),
        "JUDGE",
        (
            *vad(),
            Append(SPOKEN),
            *turn("before", FIRST),
            update(
                input_audio_transcription={"language": "en", "corpus": {"text": "Dashwood"}},
                turn_detection={"type": "server_vad", "threshold": 0.1, "silence_duration_ms": 2500},
            ),
            expect_updated(
                input_audio_transcription={"language": "en", "corpus": {"text": "Dashwood"}},
                turn_detection={"threshold": number(0.1), "silence_duration_ms": 2500},
            ),
            Append(_SHORT_PAUSE),
            FINISH,
            *turn("after", FIRST + SECOND),
            EXPECT_FINISHED,
        ),
        uncertain=_AFTER_AUDIO,
    ),
    Case(
        "update-within-an-item",
        "while audio is buffered mode, format and rate stay: an error each, and nothing is lost",
        ("§5.4 session.update mid-stream", "§3.1"),
        "JUDGE",
        (
            *manual(),
            Append(FIRST_INTERRUPTED),
            update(turn_detection=VAD),
            expect_error("session.turn_detection"),
            update(sample_rate=8000),
            expect_error("session.sample_rate"),
            update(input_audio_format="wav"),
            expect_error("session.input_audio_format"),
            update(),
            expect_updated(turn_detection=None, sample_rate=16000, input_audio_format="pcm"),
            Append(silence(0.3) + SECOND),
            COMMIT,
            *committed("a", SECOND),
        ),
        uncertain=_AFTER_AUDIO,
    ),
    Case(
        "update-in-order",
        "audio sent right after session.update, before its answer, is heard with the new configuration",
        ("§2.2",),
        "SDK",
        (
            Connect(),
            update(turn_detection=None, sample_rate=8000),
            Append(FIRST, sample_rate=8000),
            COMMIT,
            Expect(CREATED),
            expect_updated(sample_rate=8000),
            *committed("a", FIRST),
        ),
    ),
)

FIELDS = (
    Case(
        "pcm16-is-pcm",
        "pcm16 is another name of pcm: accepted, 16 bit at sample_rate, and echoed as pcm",
        ("§15.8", "§3.1 A"),
        "WIRE",
        (
            *connected(),
            update(input_audio_format="pcm16", turn_detection=None),
            expect_updated(input_audio_format="pcm", sample_rate=16000),
            Append(FIRST),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain="the cloud refuses pcm16, which both SDKs send",
    ),
    Case(
        "numbers-in-other-spelling",
        "numbers may come as 8000.0 or as text",
        ("§3.1 B",),
        "JUDGE",
        (
            *connected(),
            update(sample_rate=8000.0, turn_detection={**VAD, "silence_duration_ms": "500"}),
            expect_updated(sample_rate=8000, turn_detection={"silence_duration_ms": 500}),
            update(sample_rate="16000"),
            expect_updated(sample_rate=16000),
        ),
        uncertain=_JUDGED,
    ),
    Case(
        "unknown-fields",
        "fields of other products are ignored, and modalities stay text",
        ("§3.1",),
        "SDK",
        (
            *connected(),
            update(
                modalities=["text", "audio"],
                voice="Cherry",
                output_audio_format="pcm24",
                instructions="be kind",
                tools=[],
                temperature=0.7,
                smooth_output=True,
                translation={"language": "en"},
                audio={"output": {"format": {"type": "mp3"}}},
            ),
            expect_updated(modalities=["text"], voice=ABSENT, input_audio_format="pcm"),
        ),
    ),
    Case(
        "language-auto",
        'language "auto", "" or null is automatic detection',
        ("§3.1 C",),
        "JUDGE",
        tuple(
            step
            for value in ("auto", "", None)
            for step in (
                *configured(value or str(value), input_audio_transcription={"language": "en"}),
                update(input_audio_transcription={"language": value}),
                expect_updated(input_audio_transcription={"language": ABSENT}),
            )
        ),
        uncertain='the cloud accepts "auto" and then fails on every item',
    ),
    Case(
        "language-fixed",
        "a language the client fixed is echoed in session.updated, in previews and in the final",
        ("§3.1 C", "§7"),
        "DOC",
        (
            *connected(),
            update(turn_detection=None, input_audio_transcription={"language": "en"}),
            expect_updated(input_audio_transcription={"language": "en"}),
            Append(FIRST),
            Expect(TEXT, {"language": "en"}),
            COMMIT,
            *committed("a", FIRST, language="en"),
        ),
    ),
    Case(
        "language-with-region",
        "a region and capitals in a language are accepted and echoed as the client wrote them",
        ("§3.1 C",),
        "JUDGE",
        (
            *connected(),
            update(turn_detection=None, input_audio_transcription={"language": "en-US"}),
            expect_updated(input_audio_transcription={"language": "en-US"}),
            Append(FIRST),
            COMMIT,
            *committed("a", FIRST, language="en-US"),
        ),
        uncertain=_JUDGED,
    ),
    Case(
        "corpus-too-long",
        "context beyond the model's limit is cut, not refused, and harms no transcript",
        ("§3.1 D",),
        "JUDGE",
        (
            *manual(input_audio_transcription={"corpus": {"text": "Norland Park. " * 4000}}),
            Append(FIRST),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain=_JUDGED,
    ),
    Case(
        "transcription-null",
        "input_audio_transcription null does not switch recognition off",
        ("§3.1",),
        "WIRE",
        (
            *connected(),
            update(input_audio_transcription=None, turn_detection=VAD),
            Expect(UPDATED),
            Append(SPOKEN),
            *turn("a", FIRST),
        ),
    ),
)
