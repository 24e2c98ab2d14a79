"""What runs Qwen3-ASR: one stateless request in, generated tokens out. vLLM in this process, or servers elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.engines.mel import Features
from qwen3_asr_realtime.engines.vllm.tokens import Token
from qwen3_asr_realtime.samples import Samples


@dataclass(frozen=True, slots=True)
class AudioWindow:
    """One piece of a segment's audio: a window of 8 s on the encoder's grid, or the tail after the last of them.

    Attributes:
        uuid: Names this content in vLLM's caches, for ever and across all sessions: unguessable, never used for other
            content.
        samples: Its sound, shape [n], 16 kHz.
        features: Its log-mel features, where the backend asked for them.
        frozen: A complete window whose content will not change any more, to be found in the caches next time.
    """

    uuid: str
    samples: Samples
    features: Features | None
    frozen: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One update of one segment. It stands for itself: whoever answers it needs nothing from earlier ones.

    Attributes:
        segment_id: Unguessable name of the segment; requests of one segment do best on one server.
        windows: The segment's audio so far, in order; all in one audio span of the prompt.
        context: For the system turn; clean of control tokens and within its budget.
        head: How the answer begins: `language English<asr_text>`, or "" for the model to say.
        prefix: Tokens of the text after the head that the model is to go on from.
        max_new_tokens: Most tokens to generate.
        priority: Place in the order of work.
    """

    segment_id: str
    windows: Sequence[AudioWindow]
    context: str
    head: str
    prefix: Sequence[Token]
    max_new_tokens: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model generated.

    Attributes:
        tokens: New tokens, without head, prefix and end-of-turn token.
        truncated: `max_new_tokens` was reached.
        prompt_tokens: Tokens of the prompt, audio included.
        cached_tokens: How many of those the prefix cache had.
    """

    tokens: Sequence[Token]
    truncated: bool
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(slots=True)
class TokenCount:
    """Tokens of all answers so far.

    Attributes:
        prompt: Of the prompts, audio included.
        cached: How many of those the prefix cache had.
    """

    prompt: int = 0
    cached: int = 0

    def add(self, answer: Answer) -> None:
        """There is one more answer."""
        self.prompt += answer.prompt_tokens
        self.cached += answer.cached_tokens


class Backend(Protocol):
    """Where requests go."""

    async def generate(self, request: Request) -> Answer:
        """Answer one request. Cancelling it stops the work.

        Raises:
            EngineError: This request failed.
        """
        ...

    async def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens.

        Raises:
            EngineError: The tokens could not be counted.
        """
        ...
