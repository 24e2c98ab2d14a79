"""Section 6: what `text` and `stash` say while an item is open."""

from typing import Final

from qwen3_asr_realtime.conformance import rules
from qwen3_asr_realtime.conformance.checks import both_fields_are_used, transcripts_are
from qwen3_asr_realtime.conformance.events import COMPLETED, FINISHED, TEXT
from qwen3_asr_realtime.conformance.phrases import COMMIT, FINISH, committed, manual
from qwen3_asr_realtime.conformance.predicates import item
from qwen3_asr_realtime.conformance.speech import FIRST, SECOND
from qwen3_asr_realtime.conformance.vocabulary import Append, Case, Check, Expect, ExpectUntil, Step

_LONG = FIRST + SECOND + FIRST
_PREVIEWED: Final[tuple[Step, ...]] = (
    *manual(),
    Append(_LONG, speed=3),
    Expect(TEXT, {"item_id": item("a")}),
    COMMIT,
    *committed("a", _LONG),
)
"""An item long enough for several previews."""

_OURS = "how often previews come and how they are split is the server's own choice"

CASES = (
    Case(
        "text-only-grows",
        "each text of an item begins with the one before",
        ("§15.18", "§6"),
        "OBS",
        _PREVIEWED,
        always=rules.text_only_grows,
    ),
    Case(
        "previews-say-something",
        "no preview is empty or repeats the one before",
        ("§15.18", "§6"),
        "JUDGE",
        _PREVIEWED,
        uncertain=_OURS,
        always=rules.previews_say_something_new,
    ),
    Case(
        "previews-are-not-too-many",
        "previews of an item come at most every 200 ms",
        ("§6",),
        "JUDGE",
        _PREVIEWED,
        uncertain=_OURS,
        always=rules.previews_are_not_too_many,
    ),
    Case(
        "previews-wait-their-turn",
        "no text of an item comes before the end of the item committed before it",
        ("§5.1",),
        "JUDGE",
        (
            *manual(),
            Append(_LONG * 2),
            COMMIT,
            Append(_LONG),
            ExpectUntil(COMPLETED),
            FINISH,
            ExpectUntil(FINISHED),
            Check(transcripts_are(_LONG, _LONG)),
        ),
        uncertain="nobody has tried it on the cloud",
        always=rules.previews_wait_their_turn,
        alone=True,  # a busy server has no previews to hold back
    ),
    Case(
        "stash-brings-its-blank",
        "text and stash are joined as they are: the blank between two words is part of one of them",
        ("§6",),
        "DOC",
        _PREVIEWED,
        always=rules.stash_brings_its_own_blank,
    ),
    Case(
        "text-and-stash",
        "both fields are put to use in an item of some length",
        ("§6",),
        "JUDGE",
        (
            *manual(),
            Append(_LONG, speed=2),
            COMMIT,
            *committed("a", _LONG),
            Check(both_fields_are_used),
        ),
        uncertain="the cloud leaves text empty for the first six or seven seconds of an item",
        alone=True,
    ),
)
