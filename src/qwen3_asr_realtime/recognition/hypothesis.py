"""From successive hypotheses to confirmed text and tentative rest.

A hypothesis is cut into units, the smallest pieces that may be confirmed: words with their leading blank, and single
characters in scripts without blanks. A unit is confirmed once two successive hypotheses agree on everything up to and
including it, and it is not the last of the newer one, whose end may still be cut off. (Local agreement with n = 2:
Macháček, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System", 2023.) Engines that vouch for a prefix
themselves (`Hypothesis.stable_chars`) are taken at their word.
"""

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum, auto
from itertools import pairwise

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.text import is_unspaced, join_transcripts


@dataclass(frozen=True, slots=True)
class Preview:
    """What a client may be shown: `text` will never change, `stash` may; no blank goes between them."""

    text: str
    stash: str

    def after(self, earlier: str) -> "Preview":
        """This preview with confirmed text of earlier speech before it, and a blank between if the script wants one."""
        gap = _gap(earlier, self.text + self.stash)
        if self.text:
            return Preview(earlier + gap + self.text, self.stash)
        return Preview(earlier, gap + self.stash)


def units(text: str) -> list[str]:
    """Cut a text into units; joined, they are the text again.

    A blank belongs to the word after it (a no-break space to both: "1 234"), a combining mark or modifier to the
    character before it, and closing punctuation of unspaced scripts to nothing: it is a unit of its own.
    """
    starts: list[int] = []
    last = _Kind.NONE
    for position, char in enumerate(text):
        if position and (_is_extending(char) or text[position - 1] == _ZERO_WIDTH_JOINER):
            continue
        kind = _kind(char)
        if last is not _Kind.BLANK and (kind is not _Kind.WORD or last is not _Kind.WORD):
            starts.append(position)
        last = kind
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


class _Kind(Enum):
    """What the last character can be followed by within one unit: BLANK by anything, WORD by more of the word."""

    NONE = auto()
    BLANK = auto()
    WORD = auto()
    CHARACTER = auto()


_NO_BREAK_SPACES = frozenset("\u00a0\u2007\u202f")
_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_SARA_AM = frozenset("\u0e33\u0eb3")
"""Vowel signs of Thai and Lao that Unicode files under letters, as half of each is one; readers see one character."""


def _kind(char: str) -> _Kind:
    if char.isspace() and char not in _NO_BREAK_SPACES:
        return _Kind.BLANK
    is_full_width_word = char.isalnum() and unicodedata.east_asian_width(char) == "F"  # ＡＢＣ, １２３
    return _Kind.CHARACTER if is_unspaced(char) and not is_full_width_word else _Kind.WORD


def _is_extending(char: str) -> bool:
    """Whether a character is part of the one before it. Not all marks combine: Thai vowel signs are of class 0."""
    return unicodedata.category(char)[0] == "M" or char == _ZERO_WIDTH_JOINER or char in _SKIN_TONES or char in _SARA_AM


def _gap(before: str, after: str) -> str:
    """The blank that is missing between two texts, or nothing."""
    gap = join_transcripts([before, after])[len(before) :][:1]
    return gap if gap.isspace() and not after.startswith(gap) else ""


class Confirmation:
    """The confirmed text of one segment. It only ever grows, whatever the engine says later.

    Attributes:
        text: What is confirmed.
        contradictions: Hypotheses that did not begin with the confirmed text; the text stayed all the same.
        delays: For each confirmed unit, the audio in samples from the hypothesis that first had it to the one that
            confirmed it.
        changed: Confirmed units that the final does not have.
    """

    def __init__(self) -> None:
        self.text = ""
        self.contradictions = 0
        self.delays: list[int] = []
        self.changed = 0
        self._confirmed: list[str] = []
        self._last: list[str] = []
        self._since: list[int] = []  # for each unit of the last hypothesis, the audio of the first that had it there

    def update(self, hypothesis: Hypothesis, *, n_samples: int = 0, tentative: bool = False) -> Preview:
        """Take a newer hypothesis of the whole segment and return what to show.

        Args:
            hypothesis: What the engine heard.
            n_samples: How much of the segment it covers.
            tentative: Confirm nothing yet, for some of the audio may still come to belong to the next segment.
        """
        newest, last = units(hypothesis.text), self._last
        self._last = newest
        self._since = [
            self._since[i] if i < len(last) and unit == last[i] else n_samples for i, unit in enumerate(newest)
        ]
        confirmed = len(self._confirmed)
        contradicts = newest[:confirmed] != self._confirmed
        self.contradictions += contradicts
        agreed = 0
        if tentative:
            pass
        elif hypothesis.stable_chars is None:
            # After a contradiction, too: the text goes on at the same number of units, or it would stand still.
            agreed = _common_prefix_length(newest[confirmed:-1], last[confirmed:])
        elif not contradicts:
            agreed = max(0, _units_within(newest, hypothesis.stable_chars) - confirmed)
        rest = newest[confirmed:]
        if rest and contradicts:
            rest[0] = _gap(self.text, rest[0]) + rest[0]
        self._confirmed += rest[:agreed]
        self.delays += [n_samples - since for since in self._since[confirmed : confirmed + agreed]]
        self.text = "".join(self._confirmed)
        return Preview(self.text, "".join(rest[agreed:]))

    def close(self, final: Hypothesis) -> str:
        """Take the segment's final hypothesis and return its text as previews should go on showing it.

        It is the final text itself unless that contradicts what is already confirmed.
        """
        if final.text.startswith(self.text):
            return final.text
        self.contradictions += 1
        pieces = units(final.text)
        before, after = ([piece.strip() for piece in some] for some in (self._confirmed, pieces))
        kept = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        self.changed = len(self._confirmed) - sum(block.size for block in kept)
        rest = "".join(pieces[len(self._confirmed) :])
        return self.text + _gap(self.text, rest) + rest


def _common_prefix_length(one: list[str], other: list[str]) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length


def _units_within(pieces: list[str], chars: int) -> int:
    """How many leading units lie wholly within the first `chars` characters."""
    count = used = 0
    for piece in pieces:
        used += len(piece)
        if used > chars:
            break
        count += 1
    return count
