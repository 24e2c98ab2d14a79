"""Qwen3-ASR on vLLM servers elsewhere: one or several `vllm serve`, reached over their OpenAI-compatible API.

All state of a segment is here, the servers keep caches at most. Losing one costs its segments the time to send their
audio again to another, never text.
"""

from collections import OrderedDict
from dataclasses import replace

from qwen3_asr_realtime.engines.base import Condition, EngineError, EngineInfo, EngineStatus, SegmentOptions, model_name
from qwen3_asr_realtime.engines.vllm.backend import Answer, Request, TokenCount
from qwen3_asr_realtime.engines.vllm.remote.endpoint import Endpoint
from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions
from qwen3_asr_realtime.engines.vllm.remote.pool import Pool
from qwen3_asr_realtime.engines.vllm.stream import PARTIAL_STEP_S, Qwen3Stream, StreamLimits

CONTEXTS_REMEMBERED = 64
"""Long contexts whose cut is remembered: every segment of a session asks again for the same one."""


class RemoteVllmEngine:
    """vLLM servers behind the contract of `engines/base.py`.

    Attributes:
        backend: What its streams ask.
    """

    def __init__(self, options: RemoteOptions, limits: StreamLimits) -> None:
        """Prepare; nothing is sent before `start`.

        Args:
            options: Where the servers are.
            limits: Bounds on each request.

        Raises:
            EngineError: No address, or one that is none.
        """
        self._limits = limits
        endpoints = [Endpoint(url, options) for url in options.endpoints]
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        if not self._endpoints:
            raise EngineError("no vLLM server is named; at least one address like http://host:8000 is needed")
        self._pool = Pool(list(self._endpoints.values()), options.probe_interval_s)
        self.backend = RemoteBackend(self._pool)
        self._info = EngineInfo(
            name="vllm-remote",
            model=model_name(options.model),
            languages=None,
            max_segment_s=limits.max_segment_s,
            concurrency=len(self._endpoints) * options.concurrency_per_endpoint,
            partial_step_s=PARTIAL_STEP_S,
            batched=True,
        )

    @property
    def info(self) -> EngineInfo:
        """What this engine is; the model as the servers call it, once started."""
        return self._info

    @property
    def status(self) -> EngineStatus:
        """Whether all servers, some or none of them can be used. Which, and why not, is in the log."""
        down = len(self._pool.down)
        tokens = self.backend.tokens
        status = EngineStatus(prompt_tokens=tokens.prompt, cached_tokens=tokens.cached)
        if not down:
            return status
        condition = Condition.DOWN if down == len(self._endpoints) else Condition.DEGRADED
        reason = f"{down} of {len(self._endpoints)} vLLM servers are down"
        return replace(status, condition=condition, reason=reason)

    async def start(self) -> None:
        """Check all servers.

        Raises:
            EngineError: None of them can be used; says for each why.
        """
        await self._pool.start()
        up = [endpoint for name, endpoint in self._endpoints.items() if name not in self._pool.down]
        self._info = replace(self._info, model=model_name(up[0].model))

    async def stop(self) -> None:
        """Close all connections; running refreshes fail. Safe to call twice."""
        await self._pool.stop()

    def open(self, options: SegmentOptions) -> Qwen3Stream:
        """Begin a segment."""
        return Qwen3Stream(self.backend, options, self._limits, features=False)


class RemoteBackend:
    """The servers of a pool, as a stream sees them (see `engines.vllm.backend.Backend`).

    Attributes:
        tokens: Those of all answers so far.
    """

    def __init__(self, pool: Pool) -> None:
        self.tokens = TokenCount()
        self._pool = pool
        self._cuts: OrderedDict[tuple[str, int], str] = OrderedDict()

    async def generate(self, request: Request) -> Answer:
        """Answer one request, on the server that has its audio if that is up.

        Raises:
            EngineError: No server could.
        """
        answer = await self._pool.ask(request.segment_id, lambda endpoint: endpoint.generate(request))
        self.tokens.add(answer)
        return answer

    async def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens.

        Raises:
            EngineError: No server could tell.
        """
        if len(text.encode()) <= max_tokens:  # a token has one byte at least
            return text
        key = text, max_tokens
        if key not in self._cuts:
            self._cuts[key] = await self._pool.ask(text, lambda endpoint: endpoint.truncate(text, max_tokens))
        self._cuts.move_to_end(key)
        while len(self._cuts) > CONTEXTS_REMEMBERED:
            self._cuts.popitem(last=False)
        return self._cuts[key]
