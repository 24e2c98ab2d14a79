"""Guards against text that nobody said: loops, echoes of the prompt, words heard in noise.

A final text is compared with what else is known of its segment. Where they do not fit, the segment is heard a second
time: without prefix and context, so that there is nothing to copy, and half a second later on the model's clock, so
that what it makes up comes out differently. What is still doubted then is cut down or dropped.

    why = doubt(first, evidence)
    if why is not None:
        final, why = settled(first, second, evidence)

The one measure of speech is *certain voice*: of every frame (32 ms) that share by which its speech probability exceeds
one half, from 0 at 0.5 to all of it at 1.0 (`vad.frames.certain_voice_s`). A word has some of it whatever the noise
around it, and sounds that merely resemble speech for a moment have little.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise
from unicodedata import category

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.recognition.hypothesis import units
from qwen3_asr_realtime.recognition.loops import has_loop, without_loop

SECOND_HEARING_SILENCE_S = 0.5
"""Silence before the audio of a second hearing. Measured with the embedded engine on turns with weak voice: after 0.5 s
it repeated 2 of 54 things that it had heard in noise, and 54 of 55 real words at a normal level or at -52 dB; after 0.1
and 0.3 s it repeated more of the former. A quarter of the level, or the other polarity, told them apart no better."""


class Doubt(StrEnum):
    """Why a text is not believed; the values are labels of a counter."""

    NO_VOICE = "no_voice"
    TAGS = "tags"
    NO_WORDS = "no_words"
    LOOP = "loop"
    TOO_FAST = "too_fast"
    ECHO = "echo"
    COPY = "copy"
    WEAK_VOICE = "weak_voice"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Where doubt begins.

    Measured on prompts of telephone systems (Debian's asterisk-core-sounds 1.6.1), most of them single words, letters
    and numbers: 288 in English, French, Russian and Spanish for voice, 512 in English for text; and on the 177 sounds
    of `scripts/non_speech.py`. Levels are mean powers in dB of full scale.

    Attributes:
        no_voice_s: Certain voice, in seconds, with less of which nobody has spoken. None of the prompts has less at
            -26 dB, 0.7 % do at 5 to 20 dB above noise and 7 % at -52 dB; of the sounds, most that open a turn.
        weak_voice_s: Certain voice with less of which words must be heard twice: 1.7 % of the prompts, 5 % in noise,
            14 % at -52 dB, and all of the sounds. 16 of 16 English ones at -52 dB were heard twice.
        weak_voice_share: The same as a share of the segment's length: over minutes, anything adds up. Whole sentences
            have 0.4 or more in noise as loud as they are, and 0.35 at -60 dB if the recording is good.
        letters_per_s: Fastest speech in scripts that write sounds. The prompts have 16 at most; the fastest talker on
            record, with 637 English words a minute, about 50.
        syllables_per_s: Fastest speech in scripts with a character for a syllable or more (Chinese, kana, Hangul). The
            fastest language read aloud has 7.8 on average (Japanese; Pellegrino, Coupé and Marsico, Language 87(3),
            2011); the talker on record about 15.
        copied_units: Words, or characters of scripts without blanks, from which on a copy is no coincidence.
        copied_share: Share of neighbouring words that stand so in the context, from which on a text is its copy.
        copied_length_ratio: A sentence said again does not take so many times longer or shorter.
        agreement: Similarity (`difflib`, 0 to 1) from which on two hearings have heard the same.
    """

    no_voice_s: float = 0.1
    weak_voice_s: float = 0.2
    weak_voice_share: float = 0.06
    letters_per_s: float = 50.0
    syllables_per_s: float = 20.0
    copied_units: int = 8
    copied_share: float = 0.8
    copied_length_ratio: float = 2.0
    agreement: float = 0.75


LIMITS = GuardLimits()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a segment besides its text.

    Attributes:
        duration_s: Length of its audio in seconds, with the silence around the speech.
        voice_s: Certain voice in it, in seconds.
        context: What the engine was told may be spoken of.
        previous: Final text of the utterance before.
        previous_s: Length of that one's audio in seconds.
    """

    duration_s: float
    voice_s: float
    context: str = ""
    previous: str = ""
    previous_s: float = 0.0


def doubt(hypothesis: Hypothesis, evidence: Evidence, limits: GuardLimits = LIMITS) -> Doubt | None:
    """The first reason not to believe a final hypothesis, or None. Nothing is wrong with an empty one."""
    if not hypothesis.text:
        return None
    return next((reason for reason, holds in _GUARDS.items() if holds(hypothesis, evidence, limits)), None)


def settled(
    first: Hypothesis, second: Hypothesis, evidence: Evidence, limits: GuardLimits = LIMITS
) -> tuple[Hypothesis, Doubt | None]:
    """What to believe after a second hearing.

    Args:
        first: The hypothesis that was doubted.
        second: Another one of the same audio after `SECOND_HEARING_SILENCE_S`, without prefix or context.
        evidence: What is known of the segment.
        limits: Where doubt begins.

    Returns:
        The hypothesis, perhaps cut down or empty, and why it had to be.
    """
    alone = replace(evidence, context="", previous="")  # What was not to be seen was not copied.
    why = doubt(second, alone, limits)
    if why is Doubt.WEAK_VOICE and _agree(first.text, second.text, limits):
        return (first if doubt(first, evidence, limits) is Doubt.WEAK_VOICE else second), None
    if why is None:
        return second, None
    text = trimmed(second.text, why)
    text = "" if is_weak(text, alone, limits) else text
    return replace(second, text=text, language=second.language if text else "", stable_chars=None), why


def trimmed(text: str, why: Doubt) -> str:
    """What is left of a text that is doubted for good: of a loop one round, of tags the rest, of others nothing."""
    match why:
        case Doubt.LOOP:
            return without_loop(text)
        case Doubt.TAGS:
            return _without_tags(text)
    return ""


# --- guards ----------------------------------------------------------------------------------------------------------


def is_without_voice(evidence: Evidence, limits: GuardLimits = LIMITS) -> bool:
    """Whether nobody has spoken. Such a segment is not worth decoding: models invent words for it."""
    return evidence.voice_s < limits.no_voice_s


def is_weak(text: str, evidence: Evidence, limits: GuardLimits = LIMITS) -> bool:
    """Whether it is not certain that somebody has spoken, or nobody has for as long as the text takes."""
    needed_s = max(limits.weak_voice_s, limits.weak_voice_share * evidence.duration_s, spoken_s(text, limits))
    return evidence.voice_s < needed_s


def has_tags(text: str) -> bool:
    """Whether parts of the model's own format are left in a text."""
    return _TAG.search(text) is not None


def has_words(text: str) -> bool:
    """Whether a text has more than punctuation, notes and pictures. Signs that are read aloud ("+", "€") are words."""
    return any(category(char)[0] in "LN" or category(char) in {"Sc", "Sm"} or char in "%&@#" for char in text)


def spoken_s(text: str, limits: GuardLimits = LIMITS) -> float:
    """The shortest time in which anybody can say a text, in seconds."""
    letters = [char for char in text if category(char)[0] in "LN"]
    syllables = sum(map(_is_syllable, letters))
    return syllables / limits.syllables_per_s + (len(letters) - syllables) / limits.letters_per_s


def is_echo(text: str, evidence: Evidence, limits: GuardLimits = LIMITS) -> bool:
    """Whether a text is a copy of the context that is longer than the voice in the audio."""
    if not evidence.context or spoken_s(text, limits) <= evidence.voice_s:
        return False
    words = _words(text)
    if len(words) < limits.copied_units:
        return False
    pairs = list(pairwise(words))
    return len(set(pairwise(_words(evidence.context))).intersection(pairs)) >= limits.copied_share * len(set(pairs))


def is_copy(text: str, evidence: Evidence, limits: GuardLimits = LIMITS) -> bool:
    """Whether a long text is the one before again, without the voice for it or in another time."""
    if not evidence.previous:
        return False
    words = _words(text)
    if len(words) < limits.copied_units or words != _words(evidence.previous):
        return False
    shorter, longer = sorted((evidence.duration_s, evidence.previous_s))
    return longer >= limits.copied_length_ratio * shorter or spoken_s(text, limits) > evidence.voice_s


_GUARDS: dict[Doubt, Callable[[Hypothesis, Evidence, GuardLimits], bool]] = {
    Doubt.NO_VOICE: lambda _, evidence, limits: is_without_voice(evidence, limits),
    Doubt.TAGS: lambda heard, _evidence, _limits: has_tags(heard.text),
    Doubt.NO_WORDS: lambda heard, _evidence, _limits: not has_words(heard.text),
    Doubt.LOOP: lambda heard, _evidence, _limits: has_loop(heard.text, sure=heard.truncated),
    Doubt.TOO_FAST: lambda heard, evidence, limits: spoken_s(heard.text, limits) > evidence.duration_s,
    Doubt.ECHO: lambda heard, evidence, limits: is_echo(heard.text, evidence, limits),
    Doubt.COPY: lambda heard, evidence, limits: is_copy(heard.text, evidence, limits),
    Doubt.WEAK_VOICE: lambda heard, evidence, limits: is_weak(heard.text, evidence, limits),
}
"""All guards; the first that holds names the doubt."""


# --- private ---------------------------------------------------------------------------------------------------------

_TAG = re.compile(
    r"<\|[^<>]*\|>"
    r"|(?:language [A-Z][a-z]+)?</?asr_text>"
    r"|^language [A-Z][a-z]+(?=$|[^\W\da-z_])"  # Without its tag; "language English is" goes on with a blank.
)

_SYLLABLES = (
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x2E80, 0x31FF),  # CJK radicals, kana, Bopomofo
    (0x3400, 0x9FFF),  # CJK
    (0xAC00, 0xD7AF),  # Hangul
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF66, 0xFF9F),  # half-width kana
    (0x20000, 0x3FFFF),  # CJK extensions B and later
)


def _is_syllable(char: str) -> bool:
    """Whether a character takes as long to say as a syllable. Those of Thai, which has no blanks either, do not."""
    return any(first <= ord(char) <= last for first, last in _SYLLABLES)


def _letters(text: str) -> str:
    """A text without case, blanks and punctuation, to compare it with others."""
    return "".join(char for char in text.casefold() if category(char)[0] in "LMN")


def _words(text: str) -> list[str]:
    return [letters for unit in units(text) if (letters := _letters(unit))]


def _agree(one: str, other: str, limits: GuardLimits) -> bool:
    return SequenceMatcher(None, _letters(one), _letters(other), autojunk=False).ratio() >= limits.agreement


def _without_tags(text: str) -> str:
    while has_tags(text):  # Taking one out may join the halves of another.
        text = _TAG.sub("", text).strip()
    return text
