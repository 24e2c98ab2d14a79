"""Facts about scripts that both the session core and the recogniser need."""

from collections.abc import Iterable

_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x2E80, 0x303F),  # CJK radicals and punctuation
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x312F),  # Bopomofo
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFE30, 0xFE4F),  # CJK compatibility forms
    (0xFF00, 0xFF65),  # full-width forms
    (0x20000, 0x3FFFF),  # CJK extensions B and later
)


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that puts no blanks between words (Hangul does put them)."""
    code = ord(char)
    return any(first <= code <= last for first, last in _UNSPACED_RANGES)


def join_transcripts(parts: Iterable[str]) -> str:
    """Join transcripts of successive stretches of speech, with a blank where the script wants one."""
    joined = ""
    for part in (part.strip() for part in parts):
        if joined and part and not (is_unspaced(joined[-1]) or is_unspaced(part[0])):
            joined += " "
        joined += part
    return joined
