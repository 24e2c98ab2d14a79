"""The model's vocabulary: text to token ids, and ids to the bytes they stand for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.prompt import (
    ASSISTANT_START,
    AUDIO_PAD,
    SYSTEM_START,
    TEXT_TAG,
    USER_START,
)
from qwen3_asr_realtime.engines.vllm.tokens import Token

TURN_END: Final = "<|im_end|>"
TEXT_END: Final = "<|endoftext|>"

CACHED_TEXTS: Final = 256
"""Contexts and heads whose ids are remembered: each is asked for at every update of its segments."""


class Encoding(Protocol):
    """A text in tokens."""

    @property
    def ids(self) -> Sequence[int]:
        """Their numbers."""
        ...

    @property
    def offsets(self) -> Sequence[tuple[int, int]]:
        """Where in the text each begins and ends, in characters."""
        ...


class Tokenizer(Protocol):
    """What we need of `tokenizers.Tokenizer`. Its methods change nothing, so threads may share it."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Encoding:
        """Split into tokens; the names of control tokens are taken for these."""
        ...

    def token_to_id(self, token: str) -> int | None:
        """The number of a token."""
        ...

    def id_to_token(self, id: int) -> str | None:
        """The token with a number, in the alphabet of byte-level BPE."""
        ...

    def get_added_tokens_decoder(self) -> Mapping[int, Any]:
        """The tokens beside the BPE's own, by number; each has a `content` and is `special` or not."""
        ...


class Vocabulary:
    """Token ids of prompts and answers.

    Attributes:
        end_ids: Tokens that end an answer.
        audio_pad_id: Stands for one piece of audio.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look up the fixed parts of every prompt.

        Raises:
            EngineError: This is not the vocabulary of Qwen3-ASR.
        """
        self._tokenizer = tokenizer
        self._added = {
            number: b"" if token.special and token.content != TEXT_TAG else token.content.encode()
            for number, token in tokenizer.get_added_tokens_decoder().items()
        }
        self.end_ids = frozenset({self._id_of(TURN_END), self._id_of(TEXT_END)})
        self.audio_pad_id = self._id_of(AUDIO_PAD)
        self._id_of(TEXT_TAG)
        self._user_start = self._ids(USER_START)
        self._assistant_start = self._ids(ASSISTANT_START)
        self._system_turn = lru_cache(CACHED_TEXTS)(self._encode_system_turn)
        self._head = lru_cache(CACHED_TEXTS)(self._ids)
        self._tokens: dict[int, Token] = {}

    def prompt(self, context: str, window_count: int, head: str, prefix: Sequence[Token]) -> list[int]:
        """The prompt, with one `<|audio_pad|>` for each window of audio."""
        return [
            *self._system_turn(context),
            *self._user_start,
            *[self.audio_pad_id] * window_count,
            *self._assistant_start,
            *self._head(head),
            *(token.token_id for token in prefix),
        ]

    def token(self, token_id: int) -> Token:
        """A generated token; of control tokens `<asr_text>` alone has bytes."""
        token = self._tokens.get(token_id)
        if token is None:
            token = self._tokens[token_id] = Token(self._data_of(token_id), token_id)
        return token

    def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens and ends where a token does."""
        while True:
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
            if len(encoding.ids) <= max_tokens:
                return text
            # Again, for without what followed the rest may fall into other tokens, more of them.
            text = text[: encoding.offsets[max_tokens][0]]

    # --- private -----------------------------------------------------------------------------------------------------

    def _encode_system_turn(self, context: str) -> Sequence[int]:
        # Whoever asks has cleaned the context; a control token that came through all the same could end the turn.
        start, *rest = self._ids(SYSTEM_START + context)
        return [start, *(token_id for token_id in rest if token_id not in self._added)]

    def _ids(self, text: str) -> Sequence[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _id_of(self, token: str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise EngineError(f"this is not a Qwen3-ASR model: its vocabulary has no {token}")
        return token_id

    def _data_of(self, token_id: int) -> bytes:
        if token_id in self._added:
            return self._added[token_id]
        # None where the vocabulary is padded to a round number: such tokens were never trained.
        return bytes(_BYTES[char] for char in self._tokenizer.id_to_token(token_id) or "")


def _byte_alphabet() -> dict[str, int]:
    """Byte-level BPE (GPT-2) writes each byte as one visible character; the others follow from U+0100 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_alphabet()
