import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.vllm.tokens import Token, roll_back, text_of


def tokens(*pieces: bytes) -> list[Token]:
    return [Token(piece, number) for number, piece in enumerate(pieces)]


def test_the_last_tokens_are_dropped():
    said = tokens(b"one", b" two", b" three", b" four")
    assert text_of(roll_back(said, 2)) == "one two"
    assert text_of(roll_back(said, 0)) == "one two three four"
    assert list(roll_back(said, 4)) == list(roll_back(said, 9)) == []


@pytest.mark.parametrize(
    ("count", "kept"), [(0, "今天天"), (1, "今天"), (2, "今天"), (3, "今天"), (4, "今"), (5, "今")]
)
def test_a_character_is_never_cut(count, kept):
    """Each character is three bytes; the third one comes in three tokens."""
    heaven = "天".encode()
    assert (
        text_of(roll_back(tokens("今".encode(), heaven[:2], heaven[2:], heaven[:1], heaven[1:2], heaven[2:]), count))
        == kept
    )


def test_a_byte_that_is_no_character_does_not_eat_what_comes_before():
    assert text_of(roll_back(tokens(b"one", b"\xff", b" two", b" three"), 1)) == "one two"


@given(st.text(), st.lists(st.integers(1, 4)), st.integers(0, 8))
def test_what_is_left_is_whole_and_from_the_beginning(text, sizes, count):
    data, pieces = text.encode("utf-8", errors="ignore"), []
    while data:
        size = sizes[len(pieces) % len(sizes)] if sizes else 2
        pieces.append(data[:size])
        data = data[size:]
    kept = roll_back(tokens(*pieces), count)
    assert len(kept) <= max(0, len(pieces) - count)
    for longer in range(len(kept) + 1, len(pieces) - count + 1):
        with pytest.raises(UnicodeDecodeError):
            b"".join(pieces[:longer]).decode()
    assert text.startswith(b"".join(token.data for token in kept).decode())
