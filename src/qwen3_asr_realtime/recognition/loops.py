"""Repetition loops: a decoder that says the same thing again and again until it is stopped."""

import re

from qwen3_asr_realtime.recognition.hypothesis import units

PERIOD_UNITS_MAX = 24
"""Longest phrase looked for, in words, or characters of scripts without blanks."""

REPEATS_MIN = 4
LOOP_UNITS_MIN = 12
"""People say "no, no, no, no"; nobody says twelve before the decoder's length bound is reached."""

UNSURE_FACTOR = 2
"""So many times longer must a loop be that the decoder has ended itself: people laugh, count off and chant."""


def has_loop(text: str, *, sure: bool = True) -> bool:
    """Whether a text ends in a phrase said over and over, the last time perhaps cut off.

    Args:
        text: The text.
        sure: Decoding was stopped at its length bound, as it is in most loops.
    """
    factor = 1 if sure else UNSURE_FACTOR
    return _period(_said(text), factor) > 0 or _loop_in_word(factor).search(text) is not None


def without_loop(text: str) -> str:
    """A text that ends in a loop, up to the end of the loop's first round; any other text as it is."""
    text = _loop_in_word(1).sub(r"\1", text)
    said = _said(text)
    period = _period(said, 1)
    if not period:
        return text
    start = len(said) - period
    while start > 0 and said[start - 1] == said[start - 1 + period]:
        start -= 1
    return "".join(units(text.strip())[: start + period])


def _said(text: str) -> list[str]:
    return [unit.strip() for unit in units(text.strip())]


def _period(said: list[str], factor: int) -> int:
    """Units in one round of the loop that a text ends in; 0 if there is none."""
    for period in range(1, PERIOD_UNITS_MAX + 1):
        length = max(LOOP_UNITS_MIN, REPEATS_MIN * period) * factor
        tail = said[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return period
    return 0


def _loop_in_word(factor: int) -> re.Pattern[str]:
    """A word that ends in a loop of letters ("hahaha…") and the end of the text after it."""
    return re.compile(rf"([^\W\d_]{{1,8}}?)\1{{{LOOP_UNITS_MIN * factor - 1},}}[^\W\d_]{{0,8}}\W*$")
