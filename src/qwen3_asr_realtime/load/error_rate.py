"""How much of what was said came out wrong.

Texts are compared without case, punctuation and Unicode variants. Numbers are not spelled out: a "10" for a "ten" is an
error, in every stage alike.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qwen3_asr_realtime.text import is_unspaced

_WORD = re.compile(r"\w+(?:'\w+)*")


@dataclass(frozen=True, slots=True)
class Errors:
    """Substitutions, deletions and insertions against a reference, and the reference's length; add them up.

    Attributes:
        wrong: Edits.
        of: Words or characters that were said.
    """

    wrong: int = 0
    of: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(self.wrong + other.wrong, self.of + other.of)

    @property
    def rate(self) -> float | None:
        """Edits per unit of the reference; None without a reference."""
        return self.wrong / self.of if self.of else None


def words(text: str) -> list[str]:
    """The words of a text; in scripts that put no blanks between words, each character is one."""
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'")):
        spaced = ""
        for char in word:
            if is_unspaced(char):
                found += [spaced, char] if spaced else [char]
                spaced = ""
            else:
                spaced += char
        if spaced:
            found.append(spaced)
    return found


def word_errors(reference: str, heard: str) -> Errors:
    """Errors in words."""
    return _word_errors(reference, heard)


def character_errors(reference: str, heard: str) -> Errors:
    """Errors in characters, blanks left out."""
    return _character_errors(reference, heard)


# The same recordings are heard over and over.
@lru_cache(maxsize=10_000)
def _word_errors(reference: str, heard: str) -> Errors:
    said = words(reference)
    return Errors(edit_distance(said, words(heard)), len(said))


@lru_cache(maxsize=10_000)
def _character_errors(reference: str, heard: str) -> Errors:
    said = "".join(words(reference))
    return Errors(edit_distance(said, "".join(words(heard))), len(said))


def edit_distance(old: Sequence[str], new: Sequence[str], *, beginning: bool = False) -> int:
    """Fewest insertions, deletions and substitutions that turn `old` into `new` (Levenshtein).

    Args:
        old: What there was.
        new: What there is.
        beginning: Turn it into any beginning of `new`, whichever is the nearest, instead of the whole.
    """
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(unit, len(numbers)) for unit in new], np.int64)
    columns = np.arange(len(new) + 1)
    row = columns
    for index, unit in enumerate(old, 1):
        code = numbers.get(unit, -1)
        # Substitution and deletion first; an insertion then costs 1 more than the entry to its left, all the way.
        cheapest = np.concatenate([[index], np.minimum(row[:-1] + (codes != code), row[1:] + 1)])
        row = np.minimum.accumulate(cheapest - columns) + columns
    return int(row.min() if beginning else row[-1])
