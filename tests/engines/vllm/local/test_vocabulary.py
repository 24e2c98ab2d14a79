import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.vllm.local.fake_tokenizer import CONTROL, FakeTokenizer

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.local.vocabulary import Vocabulary
from qwen3_asr_realtime.engines.vllm.tokens import Token, text_of

tokenizer = FakeTokenizer()
vocabulary = Vocabulary(tokenizer)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"))  # so no control token


def test_a_prompt_is_what_the_model_was_trained_on() -> None:
    ids = vocabulary.prompt("hot words", 2, "language English<asr_text>", [Token(b"O", 79), Token(b"K", 75)])

    assert tokenizer.decode(ids) == (
        "<|im_start|>system\nhot words<|im_end|>\n"
        "<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_pad|><|audio_end|><|im_end|>\n"
        "<|im_start|>assistant\nlanguage English<asr_text>OK"
    )


def test_the_system_turn_is_there_without_a_context_too() -> None:
    decoded = tokenizer.decode(vocabulary.prompt("", 1, "", ()))

    assert decoded.startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\n")
    assert decoded.endswith("<|im_start|>assistant\n")


@given(st.lists(st.sampled_from([*CONTROL, "<asr_text>", "word ", "<|", "|>"])).map("".join))
def test_no_context_brings_a_control_token_into_the_prompt(context) -> None:
    without, given_it = vocabulary.prompt("", 3, "", ()), vocabulary.prompt(context, 3, "", ())

    assert [i for i in given_it if i in tokenizer.added] == [i for i in without if i in tokenizer.added]


@given(text)
def test_tokens_give_the_bytes_they_stand_for(some_text) -> None:
    ids = tokenizer.encode(some_text, add_special_tokens=False).ids

    assert text_of(map(vocabulary.token, ids)) == some_text


def test_of_control_tokens_the_text_tag_alone_has_bytes() -> None:
    data = {name: vocabulary.token(tokenizer.token_to_id(name)).data for name in [*CONTROL, "<asr_text>"]}

    assert data == dict.fromkeys(CONTROL, b"") | {"<asr_text>": b"<asr_text>"}


def test_a_token_that_pads_the_vocabulary_has_no_bytes() -> None:
    assert vocabulary.token(10_000) == Token(b"", 10_000)


@given(text, st.integers(0, 20))
def test_truncated_text_begins_the_text_within_the_bound_and_cuts_no_character(some_text, max_tokens) -> None:
    truncated = vocabulary.truncate(some_text, max_tokens)

    rest = some_text[len(truncated) :]
    assert some_text.startswith(truncated)
    assert len(tokenizer.encode(truncated, add_special_tokens=False).ids) <= max_tokens
    if rest and "hot words" not in some_text:  # nothing more would have fitted
        longer = some_text[: len(truncated) + 1]
        assert len(tokenizer.encode(longer, add_special_tokens=False).ids) > max_tokens


def test_the_vocabulary_of_another_model_is_refused() -> None:
    with pytest.raises(EngineError, match=r"not a Qwen3-ASR model.*audio_pad"):
        Vocabulary(FakeTokenizer(control=("<|im_start|>", "<|im_end|>", "<|endoftext|>")))
