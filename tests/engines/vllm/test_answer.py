import pytest

from qwen3_asr_realtime.engines.vllm.answer import clean_text, parse
from qwen3_asr_realtime.engines.vllm.languages import NAMES, code_of
from qwen3_asr_realtime.engines.vllm.tokens import Token
from qwen3_asr_realtime.protocol.languages import CLOUD_LANGUAGES, LANGUAGES


def tokens(*pieces: str) -> list[Token]:
    return [Token(piece.encode()) for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "decided", "language", "text"),
    [
        (["language", " English", "<asr_text>", "Good", " morning."], "", "English", "Good morning."),
        (["language", " Chinese", "<asr_text>", "早上", "好。"], "", "Chinese", "早上好。"),
        (["language English<asr", "_text>", "Good"], "", "English", "Good"),
        (["Good", " morning."], "English", "English", "Good morning."),
        (["language", " German", "<asr_text>", "Guten Tag"], "English", "German", "Guten Tag"),
        (["<asr_text>", "Good"], "English", "English", "Good"),
        # Cut off before the text: nothing of the head is shown.
        (["lang"], "", "", ""),
        (["language"], "", "", ""),
        (["language", " Eng"], "", "", ""),
        ([], "", "", ""),
        ([], "English", "English", ""),
        # A model that names no language.
        (["Good", " morning."], "", "", "Good morning."),
        # What is not text does not come out.
        (["language", " English", "<asr_text>", " a<|im_end|>b <asr_text>c "], "", "English", "ab c"),
    ],
)
def test_language_and_text(pieces, decided, language, text):
    heard = parse(tokens(*pieces), decided)
    assert (heard.language, heard.text) == (language, text)


@pytest.mark.parametrize("rest", [[], ["Thank you."]])
def test_nobody_speaks(rest):
    heard = parse(tokens("language", " None", "<asr_text>", *rest), "")
    assert (heard.language, heard.tokens) == ("", ())


def test_a_character_cut_in_two_is_left_out():
    assert clean_text([Token("早".encode()), Token("上".encode()[:2])]) == "早"


def test_codes_and_names():
    """Protocol reference, "Languages": 30 names; `uk`, `is` and `no` are accepted and run undetermined."""
    assert len(NAMES) == len(set(NAMES.values())) == 30
    assert LANGUAGES - NAMES.keys() == {"uk", "is", "no"}
    assert CLOUD_LANGUAGES - {"uk", "is", "no"} <= NAMES.keys()
    assert all(code_of(name) == code for code, name in NAMES.items())
    assert [code_of(name) for name in ("chinese", " Filipino ", "None", "", "Klingon")] == ["zh", "fil", "", "", ""]
