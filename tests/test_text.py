import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.text import is_unspaced, join_transcripts

PARTS = st.lists(st.text(alphabet="ab.,'- 你好。！ไทかナ한국é😀", max_size=6))


@pytest.mark.parametrize("char", "你好。，、「？！（かナー々ไทลາว㐀𠀀")
def test_scripts_without_blanks(char):
    assert is_unspaced(char)


@pytest.mark.parametrize("char", "aZ9 .,?!'-éßжλ한국हिन्दीعرب😀")
def test_scripts_with_blanks(char):
    assert not is_unspaced(char)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([], ""),
        (["", " ", ""], ""),
        (["Hello there.", "Bye."], "Hello there. Bye."),
        (["Hello", "", "Bye."], "Hello Bye."),
        ([" Hello ", " Bye. "], "Hello Bye."),
        (["你好。", "再见。"], "你好。再见。"),
        (["你好。", "Bye."], "你好。Bye."),
        (["Hello.", "你好"], "Hello.你好"),
        (["안녕", "하세요"], "안녕 하세요"),
        (["สวัสดี", "ครับ"], "สวัสดีครับ"),
    ],
)
def test_a_blank_where_the_script_wants_one(parts, joined):
    assert join_transcripts(parts) == joined


@given(parts=PARTS)
def test_joining_adds_blanks_only(parts):
    assert "".join(join_transcripts(parts).split()) == "".join("".join(parts).split())


@given(parts=PARTS, more=PARTS)
def test_what_was_joined_can_be_joined_further(parts, more):
    assert join_transcripts([join_transcripts(parts), *more]) == join_transcripts(parts + more)
