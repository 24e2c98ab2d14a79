"""One update as a chat completion: the request's JSON, and what may be believed of the answer.

The server must render messages with `chat_template.jinja` of this folder. Each window is an `input_audio` part, a WAV
in base64. A frozen window also has a `uuid`: vLLM keeps what it computed from it under that name, so that next time the
part goes without its sound. (A tail has none: it never comes again, and vLLM names it by its content.)
"""

import io
import wave
from collections.abc import Container, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from qwen3_asr_realtime.engines.vllm.backend import Answer, AudioWindow, Request
from qwen3_asr_realtime.engines.vllm.prompt import ASSISTANT_START, AUDIO_PAD, SYSTEM_START, USER_START
from qwen3_asr_realtime.engines.vllm.tokens import Token, text_of
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

_BYTES_PER_SAMPLE = 2
_PCM16_SCALE = 2**15
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class WrongAnswer(Exception):
    """A server answered something that is no chat completion as we asked for it."""


# --- request ---------------------------------------------------------------------------------------------------------


def encode_request(
    request: Request, *, model: str, has: Container[str], with_priority: bool, echo_prompt: bool = False
) -> bytes:
    """The JSON body of `POST /v1/chat/completions`.

    Args:
        request: The update.
        model: The name the server gives its model.
        has: `uuid`s of windows whose sound the server has; they go without it.
        with_priority: Whether to tell the place in the order of work.
        echo_prompt: Ask for the prompt's text in the answer.
    """
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": request.context},
        {"role": "user", "content": [_audio_part(window, has) for window in request.windows]},
    ]
    begun = request.head + text_of(request.prefix)
    if begun:
        messages.append({"role": "assistant", "content": begun})
    body = {
        "model": model,
        "messages": messages,
        "add_generation_prompt": not begun,
        "continue_final_message": bool(begun),
        "max_completion_tokens": request.max_new_tokens,
        "temperature": 0,
        "logprobs": True,  # for the tokens, which the text alone does not tell
        "top_logprobs": 0,
    }
    if with_priority:
        body["priority"] = int(request.priority)
    if echo_prompt:
        body["return_prompt_text"] = True
    return msgspec.json.encode(body)


def prompt_text(request: Request) -> str:
    """The prompt a server with our chat template makes of a request, each window still one placeholder."""
    return "".join(
        (
            SYSTEM_START,
            request.context,
            USER_START,
            AUDIO_PAD * len(request.windows),
            ASSISTANT_START,
            request.head,
            text_of(request.prefix),
        )
    )


def _audio_part(window: AudioWindow, has: Container[str]) -> dict[str, Any]:
    if not window.frozen:
        return {"type": "input_audio", "input_audio": _sound(window.samples)}
    sound = None if window.uuid in has else _sound(window.samples)
    return {"type": "input_audio", "input_audio": sound, "uuid": window.uuid}


def _sound(samples: Samples) -> dict[str, Any]:
    return {"data": _wav(samples), "format": "wav"}  # msgspec writes bytes as base64


def _wav(samples: Samples) -> bytes:
    """A WAV file of 16-bit PCM: what clients send, so nothing is lost by it."""
    pcm = np.clip(np.rint(samples * _PCM16_SCALE), -_PCM16_SCALE, _PCM16_SCALE - 1).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(_BYTES_PER_SAMPLE)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm.tobytes())
    return file.getvalue()


# --- answer ----------------------------------------------------------------------------------------------------------


class _Piece(msgspec.Struct):
    bytes: list[Annotated[int, msgspec.Meta(ge=0, le=255)]] | None


class _LogProbs(msgspec.Struct):
    content: list[_Piece]


class _Message(msgspec.Struct):
    content: str | None


class _Choice(msgspec.Struct):
    message: _Message
    logprobs: _LogProbs
    finish_reason: Literal["stop", "length"]


class _PromptTokens(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    prompt_tokens_details: _PromptTokens | None = None


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: _Usage
    prompt_text: str | None = None


def decode_answer(body: bytes, request: Request, *, check_prompt: bool = False) -> Answer:
    """Read the response to a request.

    Args:
        body: The response's content.
        request: What was asked.
        check_prompt: The prompt was asked for too and must be what we mean.

    Raises:
        WrongAnswer: It is not a completion of this request; the message tells nothing of its content.
    """
    try:
        completion = msgspec.json.decode(body, type=_Completion)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WrongAnswer("its answer is not a chat completion with logprobs") from error
    choice = completion.choices[0]
    if len(choice.logprobs.content) > request.max_new_tokens:
        raise WrongAnswer("its answer has more tokens than were asked for")
    if check_prompt and completion.prompt_text != prompt_text(request):
        raise WrongAnswer("it was not started with our --chat-template, or is older than vLLM 0.32")
    details = completion.usage.prompt_tokens_details
    return Answer(
        tokens=_tokens([bytes(piece.bytes or ()) for piece in choice.logprobs.content], choice.message.content or ""),
        truncated=choice.finish_reason == "length",
        prompt_tokens=completion.usage.prompt_tokens,
        cached_tokens=(details.cached_tokens if details else None) or 0,
    )


def _tokens(pieces: Sequence[bytes], text: str) -> list[Token]:
    """Divide the text of an answer into its tokens.

    vLLM gives each token's bytes as the text that became complete with it, nothing for a token that completed no
    character. Where a token ends one character and begins the next, that goes wrong and both are lost to U+FFFD (0.32;
    seen with Cyrillic on a small vocabulary). The text is always right. So the pieces count as far as they agree with
    it, from both ends, and what is between counts as one token. End-of-turn tokens are among the pieces and not in the
    text.
    """
    data = text.rstrip(_REPLACEMENT).encode()  # at the end: a character cut off by the length bound
    pieces = [piece for piece in pieces if piece and not (piece.startswith(b"<|") and piece.endswith(b"|>"))]
    first, start = 0, 0
    while first < len(pieces) and data.startswith(pieces[first], start):
        start += len(pieces[first])
        first += 1
    last, end = len(pieces), len(data)
    while last > first and data.endswith(pieces[last - 1], start, end):
        last -= 1
        end -= len(pieces[last])
    between = [data[start:end]] if end > start else []
    return [Token(piece) for piece in (*pieces[:first], *between, *pieces[last:])]
