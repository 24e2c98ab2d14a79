"""Token ids to text, for the vocabulary file of Moonshine (`tokenizer.bin`)."""

from collections.abc import Iterable

START_ID = 1
"""`<s>`: the decoder's first input."""
END_ID = 2
"""`</s>`: the text is complete."""
FIRST_SPECIAL_ID = 32_000
"""From here on the vocabulary holds `<<ST_0>>` … `<<ST_767>>`, which stand for no text; so do ids below 3."""

_BLANK = "\u2581".encode()


class Tokenizer:
    """The decoding half of a SentencePiece vocabulary: 256 single bytes (ids 3 to 258), then pieces of UTF-8 text."""

    def __init__(self, vocabulary: bytes) -> None:
        """Read the vocabulary.

        Args:
            vocabulary: Content of `tokenizer.bin`: one entry per id, in order, as a length (one byte, or from 128 on
                two: low seven bits with the high bit set, then the rest) and that many bytes.
        """
        entries = list(_entries(vocabulary))
        special = {*range(END_ID + 1), *range(FIRST_SPECIAL_ID, len(entries))}
        self._pieces = [b"" if i in special else entry.replace(_BLANK, b" ") for i, entry in enumerate(entries)]

    def text(self, token_ids: Iterable[int]) -> str:
        """Join the tokens' pieces, without outer blanks.

        Bytes that form no character are dropped: a hypothesis cut at its length bound may end inside one.
        """
        return b"".join(self._pieces[i] for i in token_ids).decode("utf-8", "ignore").strip()


def _entries(vocabulary: bytes) -> Iterable[bytes]:
    position = 0
    while position < len(vocabulary):
        length = vocabulary[position]
        position += 1
        if length >= 128:
            length += (vocabulary[position] - 1) * 128
            position += 1
        yield vocabulary[position : position + length]
        position += length
