"""A tokenizer with one token for each byte, a few words, and Qwen3-ASR's control tokens."""

import re
from dataclasses import dataclass, field

VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
ALPHABET = {byte: chr(byte) for byte in VISIBLE}
ALPHABET |= {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in ALPHABET)}
WORDS = ("language", "system", "user", "assistant", "hot words")
CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>")


@dataclass(frozen=True)
class AddedToken:
    content: str
    special: bool


@dataclass(frozen=True)
class FakeEncoding:
    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass
class FakeTokenizer:
    control: tuple[str, ...] = CONTROL
    added: dict[int, AddedToken] = field(init=False)

    def __post_init__(self) -> None:
        words = ["".join(ALPHABET[byte] for byte in word.encode()) for word in WORDS]
        self.vocabulary = [*(ALPHABET[byte] for byte in range(256)), *words]
        names = [(name, True) for name in self.control] + [("<asr_text>", False)]
        self.added = {
            len(self.vocabulary) + index: AddedToken(name, special) for index, (name, special) in enumerate(names)
        }

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        return self.added

    def token_to_id(self, token: str) -> int | None:
        return {added.content: number for number, added in self.added.items()}.get(token)

    def id_to_token(self, token_id: int) -> str | None:
        if token_id in self.added:
            return self.added[token_id].content
        return self.vocabulary[token_id] if token_id < len(self.vocabulary) else None

    def encode(self, sequence: str, *, add_special_tokens: bool) -> FakeEncoding:
        assert not add_special_tokens
        names = [added.content for added in self.added.values()]
        pattern = "|".join(map(re.escape, [*names, *WORDS])) + "|."
        encoding = FakeEncoding([], [])
        for match in re.finditer(pattern, sequence, re.DOTALL):
            piece = match.group()
            if piece in names:
                ids = [self.token_to_id(piece)]
            elif piece in WORDS:
                ids = [256 + WORDS.index(piece)]
            else:
                ids = list(piece.encode())
            encoding.ids.extend(ids)
            encoding.offsets.extend([match.span()] * len(ids))
        return encoding

    def decode(self, ids: list[int]) -> str:
        """With control tokens, for tests to read."""
        data = {char: byte for byte, char in ALPHABET.items()}
        parts = [
            self.added[i].content.encode() if i in self.added else bytes(data[char] for char in self.vocabulary[i])
            for i in ids
        ]
        return b"".join(parts).decode()
