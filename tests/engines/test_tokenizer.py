import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.moonshine.tokenizer import Tokenizer
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights

SPECIAL = [b"<unk>", b"<s>", b"</s>"]


def vocabulary(entries):
    """The file format, written down a second time."""
    return b"".join(_length(len(entry)) + entry for entry in entries)


def _length(n):
    return bytes([n]) if n < 128 else bytes([n % 128 + 128, n // 128])


def tokenizer(*pieces):
    return Tokenizer(vocabulary([*SPECIAL, *pieces]))


@given(st.lists(st.integers(0, 16_383), max_size=8))
def test_entries_of_all_lengths_keep_their_ids(lengths):
    pieces = [chr(ord("a") + i) * length for i, length in enumerate(lengths)]
    read = tokenizer(*(piece.encode() for piece in pieces))

    assert [read.text([3 + i]) for i in range(len(pieces))] == pieces


def test_blanks_stand_between_words_only():
    read = tokenizer("▁good".encode(), "▁mor".encode(), b"ning", "▁".encode())

    assert read.text([3, 4, 5, 6]) == "good morning"


def test_special_tokens_are_no_text():
    real = Tokenizer((locate_weights() / "tokenizer.bin").read_bytes())

    assert real.text([0, 1, 2, 32_000, 32_767]) == ""
    assert real.text([31_999]) != ""


@pytest.mark.parametrize(
    ("token_ids", "text"),
    [
        ([3, 4, 5], "中"),
        ([6, 3, 4, 5, 6], "a中a"),
        ([6, 3, 4], "a"),
        ([6, 3], "a"),
        ([6, 4, 6], "aa"),
        ([3, 4, 6], "a"),
        ([], ""),
    ],
)
def test_byte_tokens_make_characters_and_broken_ones_are_dropped(token_ids, text):
    assert tokenizer(b"\xe4", b"\xb8", b"\xad", b"a").text(token_ids) == text
