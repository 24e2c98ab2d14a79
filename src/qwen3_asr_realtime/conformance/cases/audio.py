"""Sections 3.2 and 8: how audio may be written, cut, paced and how much of it there may be."""

from qwen3_asr_realtime.conformance.checks import boundaries, same_transcripts, same_turns
from qwen3_asr_realtime.conformance.events import FINISHED
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SPOKEN,
    VAD,
    committed,
    configured,
    expect_error,
    manual,
    turn,
    vad,
)
from qwen3_asr_realtime.conformance.speech import (
    FIRST,
    FIRST_INTERRUPTED,
    SECOND,
    TWO_SENTENCES,
    WHOLE_SECONDS,
    fill,
    silence,
)
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Check,
    ExpectClose,
    ExpectUntil,
    Send,
)

_MIB = 2**20
_AUDIO_MAX = 15 * _MIB
_UNSEEN = "nobody has tried it on the cloud"
_SMALL_FRAMES = "the cloud was seen to close with 1009 above 262,144 bytes, whatever the documentation says"
_OPUS = "the documentation names opus, but not how it is to be packed"
_TELEPHONE = silence(1) + TWO_SENTENCES

FORMATS = (
    Case(
        "rate-8000",
        "at 8000 Hz the words are right, and times are those of the audio",
        ("§15.8", "§3.1"),
        "DOC",
        (
            *vad(sample_rate=8000),
            Append(_TELEPHONE, sample_rate=8000),
            FINISH,
            ExpectUntil(FINISHED),
            Check(boundaries(_TELEPHONE, silence_ms=500)),
        ),
    ),
    Case(
        "wav",
        "input_audio_format wav: the header is skipped, the audio heard",
        ("§3.1 A",),
        "OBS",
        (
            *manual(input_audio_format="wav"),
            Append(FIRST + WHOLE_SECONDS, encoding="wav"),
            COMMIT,
            *committed("a", FIRST, usage={"duration": 3}),
        ),
        uncertain="the documentation does not have it",
    ),
    Case(
        "wav-in-pcm",
        "a WAV header in front of PCM is skipped, also when it is cut in two; it is no audio",
        ("§5.4 WAV header in a pcm stream", "§3.1 A"),
        "JUDGE",
        (
            *manual(),
            Append(silence(1), encoding="wav", chunk_bytes=40),
            Append(FIRST + WHOLE_SECONDS),
            COMMIT,
            *committed("a", FIRST, usage={"duration": 4}),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "wav-of-another-rate",
        "a WAV header with another rate than the session's is answered with one error, param session.sample_rate",
        ("§3.1 A",),
        "JUDGE",
        (
            *manual(),
            Append(FIRST, encoding="wav", sample_rate=8000),
            expect_error("session.sample_rate"),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "opus-in-ogg",
        "input_audio_format opus: an Ogg stream, cut anywhere",
        ("§3.1 A",),
        "DOC",
        (
            *manual(input_audio_format="opus"),
            Append(FIRST, encoding="ogg-opus", chunk_bytes=1000),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain=_OPUS,
    ),
    Case(
        "opus-packets",
        "input_audio_format opus: bare packets, one in an append",
        ("§3.1 A",),
        "JUDGE",
        (
            *manual(input_audio_format="opus"),
            Append(FIRST, encoding="opus-packets"),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain=_OPUS,
    ),
)

CHUNKS = (
    Case(
        "odd-chunks",
        "chunks of 3201 bytes give the same text as chunks of 3200",
        ("§15.15", "§5.4 odd number of PCM bytes"),
        "JUDGE",
        (
            *manual("aligned"),
            Append(FIRST, chunk_bytes=3200),
            COMMIT,
            *committed("a", FIRST),
            *manual("odd"),
            Append(FIRST, chunk_bytes=3201),
            COMMIT,
            *committed("b", FIRST),
            Check(same_transcripts("aligned", "odd")),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "odd-end",
        "an odd byte left over at a commit does not shift the next item's samples",
        ("§3.2", "§5.4 odd number of PCM bytes"),
        "JUDGE",
        (
            *manual(),
            Append(FIRST, extra=b"\x01"),
            COMMIT,
            *committed("a", FIRST),
            Append(SECOND),
            COMMIT,
            *committed("b", SECOND),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "untidy-base64",
        "base64 with line breaks and without padding is base64",
        ("§3.2",),
        "JUDGE",
        (
            *manual(),
            Append(FIRST, chunk_bytes=3202, untidy=True),
            COMMIT,
            *committed("a", FIRST),
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "empty-audio",
        "an append with empty audio is ignored: no error, and nothing to commit",
        ("§3.2",),
        "JUDGE",
        (
            *manual(),
            Send("input_audio_buffer.append", {"audio": ""}),
            COMMIT,
            expect_error(),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_UNSEEN,
    ),
    Case(
        "dump",
        "a recording sent as fast as possible in VAD mode gives the same turns as one sent in real time",
        ("§15.16", "§3.2"),
        "JUDGE",
        (
            *vad("in real time"),
            Append(TWO_SENTENCES, speed=1),
            FINISH,
            ExpectUntil(FINISHED),
            *vad("at once"),
            Append(TWO_SENTENCES),
            FINISH,
            ExpectUntil(FINISHED),
            Check(same_turns("in real time", "at once")),
        ),
        uncertain="one source saw no result of a dump in VAD mode",
    ),
    Case(
        "one-append",
        "a recording may come in one append",
        ("§3.2",),
        "OBS",
        (*vad(), Append(SPOKEN, chunk_ms=60_000), *turn("a", FIRST)),
    ),
)

SIZES = (
    Case(
        "fifteen-mib",
        "an append with 15 MiB of base64 is taken and heard to its end",
        ("§15.20", "§1.4", "§8"),
        "DOC",
        (
            *configured(turn_detection=VAD),
            Append(FIRST + fill(_AUDIO_MAX), chunk_ms=1e9),
            FINISH,
            *turn("a", FIRST),
            EXPECT_FINISHED,
        ),
        uncertain=_SMALL_FRAMES,
    ),
    Case(
        "above-fifteen-mib",
        "more than 15 MiB of base64 in a frame that is not too large: one error with param audio, the chunk is dropped",
        ("§5.4 audio > 15 MiB text", "§3.2"),
        "JUDGE",
        (
            *manual(),
            Append(FIRST_INTERRUPTED + fill(_AUDIO_MAX + 8), chunk_ms=1e9),
            expect_error("audio"),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_SMALL_FRAMES,
    ),
    Case(
        "frame-too-large",
        "a frame of 17 MiB ends the connection with 1009",
        ("§15.20", "§5.4 frame > server limit", "§1.6"),
        "OBS",
        (*manual(), Append(fill(17 * _MIB), chunk_ms=1e9), ExpectClose((1009,))),
        uncertain="a server may take larger frames",
    ),
    Case(
        "more-than-a-minute",
        "Manual mode without a commit for more than 60 s is one item, with the words of its beginning and its end",
        ("§3.3", "§8"),
        "JUDGE",
        (
            *manual(),
            Append(FIRST + silence(30) + FIRST_INTERRUPTED + silence(30) + SECOND),
            COMMIT,
            *committed("a", FIRST + SECOND, within_s=30),
        ),
        uncertain="the documentation forbids it, or advises against it",
    ),
)
