"""The text around the audio, in the form Qwen3-ASR was trained on.

    <|im_start|>system
    {context}<|im_end|>
    <|im_start|>user
    <|audio_start|><|audio_pad|>…<|audio_end|><|im_end|>
    <|im_start|>assistant
    {head}{prefix}

The system turn is there also when the context is empty. Each window of audio is one `<|audio_pad|>`; all of them stand
in one span, so to the model they are one recording.
"""

import re

TEXT_TAG = "<asr_text>"
"""Stands between the language and the text of an answer. An added token, not a special one."""

SYSTEM_START = "<|im_start|>system\n"
USER_START = "<|im_end|>\n<|im_start|>user\n<|audio_start|>"
AUDIO_PAD = "<|audio_pad|>"
ASSISTANT_START = "<|audio_end|><|im_end|>\n<|im_start|>assistant\n"

_CONTROL_CHARS_MAX = 64
_CONTROL = re.compile(r"<\|[^<>]*\|>|</?[A-Za-z][A-Za-z0-9_]*>")
"""Every token of the vocabulary that is not text has one of these two shapes; words that have them are no loss."""

_BETWEEN = re.compile("(?=<)|(?<=>)")


def forced_head(language_name: str) -> str:
    """The beginning of an answer in a language that is decided."""
    return f"language {language_name}{TEXT_TAG}"


def without_control_tokens(text: str) -> str:
    """Take out everything that could be read as a control token, and what becomes one by that.

    One pass from left to right, in linear time: a control token holds no `<` but its first character, so when its `>`
    comes, it is all there is since the last `<` that is left.
    """
    pieces = [""]
    for part in _BETWEEN.split(text):
        if part.startswith("<") or len(pieces[-1]) > _CONTROL_CHARS_MAX:
            pieces.append(part)
        else:
            pieces[-1] += part
        if len(pieces[-1]) <= _CONTROL_CHARS_MAX and _CONTROL.fullmatch(pieces[-1]):
            pieces.pop()
    return "".join(pieces)
