"""What an answer of the model says: the language and then the text, or that nobody speaks.

Two examples: `language English<asr_text>Good morning.` and `language None<asr_text>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qwen3_asr_realtime.engines.vllm.prompt import TEXT_TAG, without_control_tokens
from qwen3_asr_realtime.engines.vllm.tokens import Token, text_of

_LANGUAGE = "language "
_NO_SPEECH = "None"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, taken apart.

    Attributes:
        language: Name of the language as the model gives it, or "" where it gave none.
        tokens: The text's tokens, for the next request to go on from.
    """

    language: str
    tokens: Sequence[Token]

    @property
    def text(self) -> str:
        """The text, without anything that is not text."""
        return clean_text(self.tokens)


def clean_text(tokens: Sequence[Token]) -> str:
    """Tokens as a client may see them: no control token, no character cut in two, no blanks around."""
    return without_control_tokens(text_of(tokens)).strip()


def parse(tokens: Sequence[Token], decided_language: str) -> Heard:
    """Take apart the tokens that follow the head of the request.

    Args:
        tokens: All of the answer after the head, the prefix included.
        decided_language: The language that the head named, or "" if the model was to name it.
    """
    named, text = _split(tokens)
    if named is None:
        if decided_language:
            return Heard(decided_language, tokens)
        begins = text_of(tokens)
        # Cut off before it came to the text; or a model that names no language.
        in_head = _LANGUAGE.startswith(begins[: len(_LANGUAGE)])
        return Heard("", () if in_head else tokens)
    language = named.removeprefix(_LANGUAGE).strip()
    if language == _NO_SPEECH:
        return Heard("", ())
    return Heard(language or decided_language, text)


def _split(tokens: Sequence[Token]) -> tuple[str | None, Sequence[Token]]:
    """The text before the first text tag and the tokens after it; None and all tokens if there is no tag."""
    tag, data = TEXT_TAG.encode(), b""
    for count, token in enumerate(tokens, 1):
        data += token.data
        if tag in data:
            return data.partition(tag)[0].decode("utf-8", errors="ignore"), tokens[count:]
    return None, tokens
