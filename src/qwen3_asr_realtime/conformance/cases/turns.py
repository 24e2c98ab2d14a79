"""Sections 4.3 to 4.5 and 5.1: what VAD mode finds in the audio."""

from qwen3_asr_realtime.conformance import rules
from qwen3_asr_realtime.conformance.checks import (
    all_transcripts_are_empty,
    boundaries,
    previews_came_live,
    something_was_heard,
    turns_are,
)
from qwen3_asr_realtime.conformance.events import CLEARED, COMPLETED, CREATED, FINISHED, STARTED, TEXT
from qwen3_asr_realtime.conformance.phrases import (
    CLEAR,
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SOME_WORDS,
    SPOKEN,
    VAD,
    configured,
    turn,
    vad,
)
from qwen3_asr_realtime.conformance.predicates import item
from qwen3_asr_realtime.conformance.speech import (
    FIRST,
    FIRST_INTERRUPTED,
    NOISE,
    SECOND,
    TWO_SENTENCES,
    silence,
)
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Check,
    Connect,
    Expect,
    ExpectNothing,
    ExpectUntil,
)

_UNSEEN = "nobody has tried it on the cloud"
_SECOND_SPOKEN = SECOND + silence(1.5)
_COMMIT_IN_VAD = "documented as disabled; the cloud's answer is not known"

TURNS = (
    Case(
        "turn-in-order",
        "a turn is speech_started, speech_stopped, committed, item.created, completed, all with one item id",
        ("§15.9", "§5.1"),
        "DOC",
        (
            *vad(),
            Append(SPOKEN),
            *turn("a", FIRST),
            Append(_SECOND_SPOKEN),
            *turn("b", SECOND, previous=item("a")),
            FINISH,
            EXPECT_FINISHED,
        ),
        always=rules.items_live_in_order,
    ),
    Case(
        "turn-times",
        "audio_start_ms and audio_end_ms lie in the audio sent so far, each turn after the one before",
        ("§15.9", "§4.3", "§4.4"),
        "OBS",
        (*vad(), Append(TWO_SENTENCES), FINISH, ExpectUntil(FINISHED), Check(turns_are(FIRST, SECOND))),
        always=rules.times_are_on_the_audio,
    ),
    Case(
        "turn-times-are-near",
        "audio_start_ms and audio_end_ms are where the speech is, silence between the turns or not",
        ("§4.3", "§4.4"),
        "DOC",
        (
            *vad(),
            Append(silence(2) + TWO_SENTENCES, speed=4),
            FINISH,
            ExpectUntil(FINISHED),
            Check(boundaries(silence(2) + TWO_SENTENCES, silence_ms=500)),
        ),
    ),
    Case(
        "turn-times-without-silence",
        "a turn begins prefix_padding_ms before the onset of speech and ends before the silence that proved its end",
        ("§4.3", "§4.4"),
        "JUDGE",
        (
            *configured(turn_detection={**VAD, "prefix_padding_ms": 300}),
            Append(TWO_SENTENCES),
            FINISH,
            ExpectUntil(FINISHED),
            Check(boundaries(TWO_SENTENCES, pre_roll_ms=300)),
        ),
        uncertain="OpenAI's audio_end_ms has the silence in it; the cloud's is not known",
    ),
    Case(
        "turns-end-in-one-go",
        "speech_stopped, committed and conversation.item.created follow each other at once",
        ("§5.1",),
        "DOC",
        (*vad(), Append(SPOKEN, speed=2), *turn("a", FIRST)),
        uncertain="previews may come between them",
        always=rules.turns_end_in_one_go,
    ),
    Case(
        "two-sentences",
        "threshold 0.0 and silence between two sentences: two items, never an endless one",
        ("§15.7", "§3.1 F"),
        "DOC",
        (
            *configured(turn_detection={"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 400}),
            Append(TWO_SENTENCES, chunk_ms=40),
            ExpectUntil(COMPLETED),
            ExpectUntil(COMPLETED),
            FINISH,
            EXPECT_FINISHED,
            Check(turns_are(FIRST, SECOND)),
        ),
    ),
    Case(
        "threshold-lowest",
        "threshold -1 hears the speech and ends in order",
        ("§15.7",),
        "DOC",
        (
            *configured(turn_detection={**VAD, "threshold": -1}),
            Append(TWO_SENTENCES),
            FINISH,
            ExpectUntil(FINISHED),
            Check(something_was_heard),
        ),
    ),
    Case(
        "threshold-highest",
        "threshold 1 ends in order, whether it hears speech or not",
        ("§15.7",),
        "DOC",
        (
            *configured(turn_detection={**VAD, "threshold": 1}),
            Append(TWO_SENTENCES),
            FINISH,
            ExpectUntil(FINISHED),
        ),
    ),
    Case(
        "append-unconfigured",
        "audio before any session.update is heard with the defaults: VAD, pcm, 16 kHz, any language",
        ("§5.4 append before session.update",),
        "DOC",
        (Connect(), Append(SPOKEN), Expect(CREATED), *turn("a", FIRST), FINISH, EXPECT_FINISHED),
    ),
    Case(
        "noise",
        "a turn without words is a turn with an empty transcript, from the most sensitive detector, too",
        ("§15.17", "§5.1", "§4.8"),
        "OBS",
        (
            *configured(turn_detection={**VAD, "threshold": -1}),
            Append(NOISE + silence(1.5)),
            FINISH,
            ExpectUntil(FINISHED),
            Check(all_transcripts_are_empty),
        ),
    ),
    Case(
        "live",
        "while somebody speaks, speech_started and previews come, and the final soon after the silence",
        ("§5.1", "§6"),
        "OBS",
        (
            *vad(),
            Append(FIRST, speed=1),
            Expect(STARTED, {"item_id": item("a")}, within_s=0.3),
            Expect(TEXT, {"item_id": item("a")}, within_s=0.3),
            Check(previews_came_live),
            Append(silence(1), speed=1),
            *turn("a", FIRST, within_s=0.6)[1:],
        ),
        alone=True,
    ),
)

COMMITS = (
    Case(
        "commit-within-speech",
        "commit in VAD mode ends the open turn at once, with its whole sequence",
        ("§5.4 commit in VAD mode", "§3.3"),
        "JUDGE",
        (
            *vad(),
            Append(FIRST_INTERRUPTED),
            Expect(STARTED, {"item_id": item("a")}),
            COMMIT,
            *turn("a", SOME_WORDS)[1:],
            Append(silence(1) + _SECOND_SPOKEN),
            *turn("b", SECOND, previous=item("a")),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_COMMIT_IN_VAD,
    ),
    Case(
        "commit-without-speech",
        "commit in VAD mode is ignored in silence while nobody speaks",
        ("§5.4 commit in VAD mode", "§3.3"),
        "JUDGE",
        (
            *vad(),
            COMMIT,
            Append(silence(1)),
            COMMIT,
            ExpectNothing(0.3),
            Append(SPOKEN),
            *turn("a", FIRST),
            COMMIT,
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_COMMIT_IN_VAD,
    ),
    Case(
        "clear-within-speech",
        "clear in VAD mode drops the open turn, which gets no final, and is answered with cleared",
        ("§3.5",),
        "JUDGE",
        (
            *vad(),
            Append(FIRST_INTERRUPTED),
            Expect(STARTED, {"item_id": item("dropped")}),
            CLEAR,
            Expect(CLEARED),
            Append(silence(1) + _SECOND_SPOKEN),
            *turn("b", SECOND),
            FINISH,
            EXPECT_FINISHED,
        ),
        uncertain=_UNSEEN,
    ),
)
