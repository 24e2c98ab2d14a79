import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.audio.base64 import decode_base64
from qwen3_asr_realtime.audio.errors import AudioError

OUTSIDE_ALPHABET = st.characters(exclude_characters=string.ascii_letters + string.digits + "+/= \t\n\v\f\r")


@given(st.binary())
def test_decodes_canonical_text(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data).decode()) == data


@given(data=st.binary(), blanks=st.lists(st.tuples(st.integers(0), st.sampled_from(" \t\r\n\v\f"))), bare=st.booleans())
def test_accepts_whitespace_and_missing_padding(data: bytes, blanks: list[tuple[int, str]], bare: bool) -> None:
    text = base64.b64encode(data).decode()
    if bare:
        text = text.rstrip("=")
    for place, blank in blanks:
        at = place % (len(text) + 1)
        text = text[:at] + blank + text[at:]
    assert decode_base64(text) == data


def test_completes_half_of_the_padding() -> None:
    assert decode_base64("AQ=") == b"\x01"


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "A===",
        "AAA==",
        "AAAA=",
        "====",
        "=AAA",
        "AA=A",
        "AA==AA==",
        "AA-_",
        "data:audio/wav;base64,AAAA",
        "AAAA\x00",
        "AAAé",
        "\ud800AAA",
    ],
)
def test_rejects_what_is_no_base64(text: str) -> None:
    with pytest.raises(AudioError) as caught:
        decode_base64(text)
    assert caught.value.field == "audio"


@given(data=st.binary(min_size=1), place=st.integers(0), stranger=OUTSIDE_ALPHABET)
def test_one_foreign_character_rejects_everything(data: bytes, place: int, stranger: str) -> None:
    text = base64.b64encode(data).decode()
    at = place % (len(text) + 1)
    with pytest.raises(AudioError):
        decode_base64(text[:at] + stranger + text[at:])
