"""Section 2.3 and 5.3: what happens at `session.finish`, after it, and when a client just goes away."""

from qwen3_asr_realtime.conformance import rules
from qwen3_asr_realtime.conformance.checks import finished_repeats_the_finals
from qwen3_asr_realtime.conformance.events import COMPLETED, CREATED, FINISHED, ITEM_CREATED, STARTED
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    SOME_WORDS,
    committed,
    manual,
    turn,
    update,
    vad,
)
from qwen3_asr_realtime.conformance.speech import FIRST, FIRST_INTERRUPTED, SECOND, TWO_SENTENCES, silence
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Check,
    Close,
    Connect,
    Expect,
    ExpectClose,
    ExpectNothing,
    ExpectUntil,
    SendText,
    Use,
    Vanish,
)

_UNSEEN = "nobody has tried it on the cloud"

FINISHING = (
    Case(
        "finish-first",
        "session.finish as the very first event is answered with session.finished",
        ("§15.13", "§5.4 finish as very first event"),
        "DOC",
        (Connect(), FINISH, Expect(CREATED), Expect(FINISHED)),
        always=rules.finished_is_asked_for_and_last,
    ),
    Case(
        "finish-first-in-manual",
        "session.finish without audio in Manual mode: session.finished, no item",
        ("§15.13", "§2.3"),
        "DOC",
        (*manual(), FINISH, Expect(FINISHED)),
    ),
    Case(
        "finish-after-silence",
        "session.finish after silence only in VAD mode: session.finished, no item",
        ("§15.13", "§2.3"),
        "OBS",
        (*vad(), Append(silence(2)), FINISH, Expect(FINISHED)),
    ),
    Case(
        "finish-in-mid-speech",
        "session.finish while somebody speaks: the whole end of the turn, then session.finished",
        ("§15.13", "§5.3"),
        "DOC",
        (*vad(), Append(FIRST_INTERRUPTED), FINISH, *turn("a", SOME_WORDS), EXPECT_FINISHED),
    ),
    Case(
        "finish-in-manual",
        "session.finish without a commit in Manual mode commits what is there",
        ("§15.11", "§2.3"),
        "OBS",
        (*manual(), Append(FIRST), FINISH, *committed("a", FIRST), EXPECT_FINISHED),
    ),
    Case(
        "finish-is-quick",
        "the final comes within a second of session.finish, and session.finished right after it",
        ("§2.3", "§11.4"),
        "OBS",
        (
            *manual(),
            Append(FIRST),
            FINISH,
            *committed("a", FIRST, within_s=1.0),
            Expect(FINISHED, within_s=0.2),
        ),
        alone=True,
    ),
    Case(
        "finished-with-transcript",
        "session.finished has all finals, joined",
        ("§4.10", "§13.2.3"),
        "JUDGE",
        (*vad(), Append(TWO_SENTENCES), FINISH, ExpectUntil(FINISHED), Check(finished_repeats_the_finals)),
        uncertain="official samples read it, the documentation does not have it",
    ),
)

AFTERWARDS = (
    Case(
        "append-after-finish",
        "an append after session.finish is ignored",
        ("§5.4 append after finish", "§15.14"),
        "WIRE",
        (*vad(), FINISH, EXPECT_FINISHED, Append(FIRST + silence(1)), ExpectNothing(0.5)),
    ),
    Case(
        "finish-twice",
        "a second session.finish is ignored",
        ("§5.4 second finish", "§15.14"),
        "SDK",
        (*manual(), FINISH, FINISH, EXPECT_FINISHED, FINISH, ExpectNothing(0.3)),
    ),
    Case(
        "nothing-heeded-after-finish",
        "appends, commits, updates and nonsense after session.finish are ignored while the last item is recognised",
        ("§15.14", "§2.3"),
        "WIRE",
        (
            *manual(),
            Append(FIRST),
            FINISH,
            Append(SECOND),
            COMMIT,
            update(sample_rate=1),
            SendText("{"),
            FINISH,
            *committed("a", FIRST),
            EXPECT_FINISHED,
            ExpectNothing(0.3),
        ),
        always=rules.no_error_after_finish,
    ),
    Case(
        "no-close-after-finished",
        "the server leaves the close to the client for at least a second after session.finished",
        ("§15.5", "§2.3"),
        "SDK",
        (*vad(), FINISH, EXPECT_FINISHED, ExpectNothing(1.0), Close()),
    ),
    Case(
        "close-in-the-end",
        "the server closes with 1000 a while after session.finished, for clients that wait for it",
        ("§2.3", "§1.6"),
        "JUDGE",
        (*vad(), FINISH, EXPECT_FINISHED, ExpectClose((1000,), within_s=10)),
        uncertain="the documentation leaves the close to the client",
    ),
    Case(
        "client-vanishes",
        "a client that vanishes while its item is recognised harms no other",
        ("§15.23", "§2.3"),
        "JUDGE",
        (
            *vad("survivor"),
            Append(FIRST_INTERRUPTED),
            Expect(STARTED),
            *manual("vanishing"),
            Append((FIRST + SECOND) * 3),
            COMMIT,
            ExpectUntil(ITEM_CREATED),
            Vanish(),
            Use("survivor"),
            Append(SECOND + silence(1.5)),
            ExpectUntil(COMPLETED, within_s=6),
            FINISH,
            EXPECT_FINISHED,
        ),
    ),
)
