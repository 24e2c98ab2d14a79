"""Generated tokens, and how far to roll back before asking the model to go on from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Attributes:
        data: Its bytes; a character of a script with long encodings is often spread over two or three tokens.
        token_id: Its number in the model's vocabulary, or -1 where the server tells only bytes.
    """

    data: bytes
    token_id: int = -1


def text_of(tokens: Iterable[Token]) -> str:
    """The text of a run of tokens; what is cut off within a character is left out."""
    return b"".join(token.data for token in tokens).decode("utf-8", errors="ignore")


def roll_back(tokens: Sequence[Token], count: int) -> Sequence[Token]:
    """Drop the last `count` tokens, and more until what is left ends with a whole character.

    The end of a hypothesis is a guess at half-heard words; the model is to say it again with more audio.
    """
    kept = max(0, len(tokens) - count)
    data = b"".join(token.data for token in tokens[:kept])
    while kept and not _ends_with_whole_character(data):
        kept -= 1
        data = data[: len(data) - len(tokens[kept].data)]
    return tokens[:kept]


def _ends_with_whole_character(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason != "unexpected end of data"
    return True
