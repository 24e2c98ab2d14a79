"""Section 7 of the protocol reference."""

import pytest

from qwen3_asr_realtime.protocol.languages import CLOUD_LANGUAGES, EXTRA_LANGUAGES, LANGUAGES, canonical_language


def test_the_27_of_the_cloud_and_the_six_the_weights_know_besides():
    assert (len(CLOUD_LANGUAGES), len(EXTRA_LANGUAGES), len(LANGUAGES)) == (27, 6, 33)


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_a_known_code_stands_for_itself(code):
    assert canonical_language(code) == code


@pytest.mark.parametrize("spelling", ["zh", "ZH", "zh-CN", "zh_CN", "Zh-Hans-CN", " zh "])
def test_spellings(spelling):
    assert canonical_language(spelling) == "zh"


@pytest.mark.parametrize("code", ["", "auto", "xx", "chinese", "zho", "-", "-zh"])
def test_an_unknown_code_is_not_taken_for_another(code):
    """The ancestor took every unknown language for Chinese."""
    assert canonical_language(code) is None
