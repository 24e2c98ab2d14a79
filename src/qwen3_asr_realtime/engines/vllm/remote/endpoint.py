"""One vLLM server: what it is asked, what it was found to be able to do, and what audio it already has."""

from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, TypeVar
from uuid import uuid4

import msgspec
import numpy as np

from qwen3_asr_realtime.engines.base import EngineError, Priority
from qwen3_asr_realtime.engines.vllm.backend import Answer, AudioWindow, Request
from qwen3_asr_realtime.engines.vllm.prompt import forced_head
from qwen3_asr_realtime.engines.vllm.remote.chat import WrongAnswer, decode_answer, encode_request
from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions, base_url
from qwen3_asr_realtime.engines.vllm.remote.transport import EndpointError, Transport, require_ok
from qwen3_asr_realtime.engines.vllm.tokens import Token
from qwen3_asr_realtime.samples import SAMPLE_RATE

TRIAL_TIMEOUT_S = 60.0
"""Longest wait for a server's first answer: one that has just started may still have to compile (27 s seen, on a CPU).
"""

WINDOWS_REMEMBERED = 4096
"""Frozen windows a server is remembered to have: nine hours of speech, half a megabyte here. vLLM keeps some 10,000 in
its own 4 GiB; a wrong guess costs one more request."""

_REFUSALS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}

_T = TypeVar("_T")


class Endpoint:
    """One server.

    Attributes:
        name: Its address, for people and for choosing among servers.
        model: The name it gives its model.
    """

    def __init__(self, url: str, options: RemoteOptions) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: Its base address.
            options: Key, model and time-outs.

        Raises:
            EngineError: The address is none.
        """
        self.name = base_url(url)
        self.model = options.model
        self._options = options
        self._transport = Transport(self.name, options)
        self._takes_priority = False
        self._keeps_audio = False
        self._has: OrderedDict[str, None] = OrderedDict()

    async def generate(self, request: Request) -> Answer:
        """Answer one request. Cancelling it closes the connection, upon which the server stops the work.

        Raises:
            EndpointError: This server failed.
            EngineError: It refuses the request, as any other would.
        """
        timeout_s = self._options.request_timeout_s
        has = {window.uuid for window in request.windows if window.uuid in self._has} if self._keeps_audio else set()
        status, body = await self._complete(request, has=has, timeout_s=timeout_s)
        if status in _REFUSALS and has:
            # Most likely its cache has lost a window: 400, "Cache miss for audio at index 0 but data is not provided".
            status, body = await self._complete(request, has=(), timeout_s=timeout_s)
        if status in _REFUSALS:
            raise EngineError(f"vLLM refused a request (HTTP {status})")
        require_ok(status)
        answer = _read(body, request)
        self._remember(window.uuid for window in request.windows if window.frozen)
        return answer

    async def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens.

        Raises:
            EndpointError: This server failed.
        """
        counted = await self._ask("/tokenize", {"prompt": text, "add_special_tokens": False}, _Tokenized)
        if counted is None:  # a router in front that does not know the path
            return text.encode()[:max_tokens].decode(errors="ignore")
        if len(counted.tokens) <= max_tokens:
            return text
        kept = await self._ask("/detokenize", {"tokens": counted.tokens[:max_tokens]}, _Detokenized)
        if kept is None:
            raise EndpointError("it counts tokens, but does not tell their text")
        # By its length: the tokenizer normalises (NFC), and the cut may have left half a character.
        return text[: len(kept.prompt.rstrip("\N{REPLACEMENT CHARACTER}"))]

    async def check_health(self) -> None:
        """Ask whether it is well, at next to no cost.

        Raises:
            EndpointError: It is not.
        """
        status, _ = await self._transport.exchange("/health", timeout_s=self._options.connect_timeout_s)
        require_ok(status)

    async def check(self) -> None:
        """Find out whether it can do all that is needed.

        Two seconds of silence are recognised, so that what is wrong with its template, its audio libraries or its
        version shows here and not in somebody's speech.

        Raises:
            EndpointError: It cannot.
        """
        await self.check_health()
        status, body = await self._transport.exchange("/v1/models", timeout_s=self._options.request_timeout_s)
        require_ok(status)
        self.model = self._choose([card.id for card in _decode(body, _Models).data])
        trial = _trial()
        takes_priority = True
        status, body = await self._complete(trial, priority=True, echo_prompt=True, timeout_s=TRIAL_TIMEOUT_S)
        if status == HTTPStatus.BAD_REQUEST:  # some versions refuse it without --scheduling-policy priority
            takes_priority = False
            status, body = await self._complete(trial, priority=False, echo_prompt=True, timeout_s=TRIAL_TIMEOUT_S)
        require_ok(status)
        _read(body, trial, check_prompt=True)
        self._takes_priority = takes_priority
        # Not so with --mm-processor-cache-gb 0.
        has = [window.uuid for window in trial.windows]
        status, _ = await self._complete(trial, has=has, priority=takes_priority, timeout_s=TRIAL_TIMEOUT_S)
        self._keeps_audio = status == HTTPStatus.OK

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._transport.close()

    # --- private -----------------------------------------------------------------------------------------------------

    async def _complete(
        self,
        request: Request,
        *,
        has: Container[str] = (),
        priority: bool | None = None,
        echo_prompt: bool = False,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        body = encode_request(
            request,
            model=self.model,
            has=has,
            with_priority=self._takes_priority if priority is None else priority,
            echo_prompt=echo_prompt,
        )
        # For a consistent-hash router in front of several servers (vllm-router): a segment stays where its audio is.
        headers = {"X-Session-ID": request.segment_id}
        return await self._transport.exchange("/v1/chat/completions", body, timeout_s=timeout_s, headers=headers)

    async def _ask(self, path: str, question: dict[str, object], kind: type[_T]) -> _T | None:
        body = msgspec.json.encode({"model": self.model, **question})
        status, body = await self._transport.exchange(path, body, timeout_s=self._options.request_timeout_s)
        if status == HTTPStatus.NOT_FOUND:
            return None
        require_ok(status)
        return _decode(body, kind)

    def _choose(self, served: Sequence[str]) -> str:
        if self._options.model in served:
            return self._options.model
        if len(served) == 1:
            return served[0]
        raise EndpointError(f"it serves {len(served)} models, none of them {self._options.model!r}")

    def _remember(self, uuids: Iterable[str]) -> None:
        for uuid in uuids:
            self._has[uuid] = None
            self._has.move_to_end(uuid)
        while len(self._has) > WINDOWS_REMEMBERED:
            self._has.popitem(last=False)


class _Card(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: Annotated[list[_Card], msgspec.Meta(min_length=1)]


class _Tokenized(msgspec.Struct):
    tokens: list[int]


class _Detokenized(msgspec.Struct):
    prompt: str


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise EndpointError("it does not answer as vLLM does") from error


def _read(body: bytes, request: Request, *, check_prompt: bool = False) -> Answer:
    try:
        return decode_answer(body, request, check_prompt=check_prompt)
    except WrongAnswer as error:
        raise EndpointError(str(error)) from error


def _trial() -> Request:
    """Two windows in one span and a prefix that ends in a blank: everything a real request has, as short as can be."""
    uuid = uuid4().hex
    second = np.zeros(SAMPLE_RATE, np.float32)
    return Request(
        segment_id=uuid,
        windows=[AudioWindow(f"{uuid}.{index}", second, None, frozen=True) for index in range(2)],
        context="",
        head=forced_head("English"),
        prefix=[Token(b"Well, ")],
        max_new_tokens=1,
        priority=Priority.PARTIAL,
    )
