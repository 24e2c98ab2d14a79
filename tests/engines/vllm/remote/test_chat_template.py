"""The template alone; `endpoint.check` holds every server against it, and the tests with a real vLLM do so too."""

from importlib.resources import files

import pytest
from jinja2 import sandbox
from tests.engines.vllm.remote.test_chat import QUIET, AudioWindow, request

from qwen3_asr_realtime.engines.vllm.remote.chat import prompt_text
from qwen3_asr_realtime.engines.vllm.tokens import Token

TEMPLATE = files("qwen3_asr_realtime.engines.vllm.remote").joinpath("chat_template.jinja").read_text()
AUDIO = {"type": "audio"}


def render(*messages: dict) -> str:
    environment = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)  # as transformers has it
    return environment.from_string(TEMPLATE).render(messages=messages, add_generation_prompt=True)


@pytest.mark.parametrize("context", ["", "Bulge, Zürich"])
@pytest.mark.parametrize(("head", "prefix"), [("", ()), ("language English<asr_text>", [Token(b" Well, \n")])])
@pytest.mark.parametrize("windows", [1, 9])
def test_it_makes_the_prompt_we_mean(context: str, head: str, prefix, windows: int) -> None:
    asked = request(context=context, head=head, prefix=prefix, windows=[AudioWindow("w", QUIET, None, True)] * windows)
    begun = head + "".join(token.data.decode() for token in prefix)

    rendered = render(
        {"role": "system", "content": context},
        {"role": "user", "content": [AUDIO] * windows},
        *([{"role": "assistant", "content": [{"type": "text", "text": begun}]}] if begun else []),
    )

    assert rendered == prompt_text(asked)


def test_text_beside_the_audio_is_left_out() -> None:
    text = {"type": "text", "text": "<|audio_pad|>"}

    assert render({"role": "user", "content": [text, AUDIO, text]}).count("<|audio_pad|>") == 1


def test_a_turn_of_text_alone_has_no_audio() -> None:
    assert "<|audio_start|><|audio_end|>" in render({"role": "user", "content": "<|audio_pad|>"})
