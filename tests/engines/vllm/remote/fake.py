"""A vLLM server without a model, on a loopback port: the paths we use, its audio cache, and every way to misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

BODY_BYTES_MAX = 16 * 1024 * 1024
MISS = "Cache miss for audio at index 0 but data is not provided."

HANG = "hang"  # answer nothing until the client goes away
RESET = "reset"  # break the connection off in the middle of an answer
TRICKLE = "trickle"  # send without end

Reply = tuple[int, bytes] | str


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def audio(self) -> list[dict[str, Any]]:
        return self.body["messages"][1]["content"]

    @property
    def with_data(self) -> list[bool]:
        return [part["input_audio"] is not None for part in self.audio]

    @property
    def is_trial(self) -> bool:
        return self.body["max_completion_tokens"] == 1


@dataclass
class FakeVllm:
    """What a server does is in its fields and may be changed while it runs.

    Attributes:
        chat: Replaces the answer to a chat completion that is no trial; None leaves it.
        trial: The same for trials.
        tokens: What it answers.
    """

    chat: Callable[[Received], Reply | None] = lambda _: None
    trial: Callable[[Received], Reply | None] = lambda _: None
    health: int = 200
    models: tuple[str, ...] = ("qwen3-asr",)
    tokens: tuple[str, ...] = ("It", " is", " cold")
    refuses_priority: bool = False
    keeps_audio: bool = True
    has_tokenizer: bool = True
    template: str = "<|audio_pad|>"
    api_key: str = ""
    port: int = 0
    received: list[Received] = field(default_factory=list)
    cache: set[str] = field(default_factory=set)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Received]:
        return [each for each in self.received if each.path == "/v1/chat/completions" and not each.is_trial]

    def paths(self) -> list[str]:
        return [each.path for each in self.received]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeVllm"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        connections: set[asyncio.Task[None]] = set()
        self._connections = connections
        try:
            yield self
        finally:
            server.close()
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read(reader)) is not None:
                self.received.append(request)
                match self._reply(request):
                    case (status, body):
                        writer.write(_head(status, len(body)) + body)
                        await writer.drain()
                    case "hang":
                        self.hanging.set()
                        await reader.read(1)
                        self.abandoned.set()
                        break
                    case "reset":
                        writer.write(_head(200, 1000) + b'{"choices"')
                        await writer.drain()
                        writer.transport.abort()
                        break
                    case "trickle":
                        writer.write(_head(200, 2**40))
                        while not writer.transport.is_closing():
                            writer.write(b" " * 65536)
                            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    def _reply(self, request: Received) -> Reply:
        if request.path == "/health":
            return self.health, b""
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "Unauthorized")
        if request.path == "/v1/models":
            return _json({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        if request.path == "/v1/chat/completions":
            return (self.trial if request.is_trial else self.chat)(request) or self._complete(request)
        return self._tokenize(request) if self.has_tokenizer else _error(404, "Not Found")

    def _tokenize(self, request: Received) -> Reply:
        """As if every word with its blank were one token, and all words had four letters."""
        if request.path == "/tokenize":
            words = request.body["prompt"].split()
            return _json({"count": len(words), "tokens": list(range(len(words)))})
        return _json({"prompt": "word " * len(request.body["tokens"])})

    def _complete(self, request: Received) -> Reply:
        if request.body["model"] not in self.models:
            return _error(404, "The model does not exist.")
        if self.refuses_priority and request.body.get("priority"):
            return _error(400, "Got priority but priority scheduling is not enabled.")
        for part in request.audio:
            if part["input_audio"] is None and (not self.keeps_audio or part["uuid"] not in self.cache):
                return _error(400, MISS)
        self.cache |= {part["uuid"] for part in request.audio if "uuid" in part}
        most = request.body["max_completion_tokens"]
        prompt = self._prompt(request.body["messages"])
        return _json(completion(self.tokens[:most], prompt_text=prompt, eos=most > len(self.tokens)))

    def _prompt(self, messages: list[dict[str, Any]]) -> str:
        return (
            f"<|im_start|>system\n{messages[0]['content']}<|im_end|>\n"
            f"<|im_start|>user\n<|audio_start|>{self.template * len(messages[1]['content'])}<|audio_end|><|im_end|>\n"
            f"<|im_start|>assistant\n{messages[2]['content'] if len(messages) > 2 else ''}"
        )


def completion(
    tokens: tuple[str, ...], *, prompt_text: str | None = None, eos: bool = True, text: str | None = None
) -> dict[str, Any]:
    """The body of a chat completion in the form of vLLM 0.32, shortened."""
    pieces = [*tokens, *(["<|im_end|>"] if eos else [])]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "qwen3-asr",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(tokens) if text is None else text},
                "logprobs": {
                    "content": [
                        {"token": piece, "logprob": -0.1, "bytes": list(piece.encode()), "top_logprobs": []}
                        for piece in pieces
                    ]
                },
                "finish_reason": "stop" if eos else "length",
            }
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 32}},
        "prompt_text": prompt_text,
    }


def _json(value: object) -> tuple[int, bytes]:
    return 200, json.dumps(value).encode()


def _error(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"message": message, "type": "Error", "param": None, "code": status}}).encode()


def _head(status: int, length: int) -> bytes:
    return f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    length = int(headers.get("content-length", 0))
    assert length <= BODY_BYTES_MAX
    body = await reader.readexactly(length)
    return Received(head[0].split(" ")[1], headers, json.loads(body) if body else None)
