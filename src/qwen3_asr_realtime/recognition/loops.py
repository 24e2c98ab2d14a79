"""Repetition loops: a decoder that says the same thing again and again until it is stopped."""

from qwen3_asr_realtime.recognition.hypothesis import units

PERIOD_UNITS_MAX = 24
"""Longest phrase looked for, in words, or characters of scripts without blanks."""

REPEATS_MIN = 4
LOOP_UNITS_MIN = 12
"""People say "no, no, no, no"; nobody says twelve. Asked only about hypotheses that reached their length bound."""


def has_loop(text: str) -> bool:
    """Whether a text ends in a phrase said over and over, the last time perhaps cut off."""
    said = [unit.strip() for unit in units(text.strip())]
    for period in range(1, PERIOD_UNITS_MAX + 1):
        length = max(LOOP_UNITS_MIN, REPEATS_MIN * period)
        tail = said[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return True
    return False
