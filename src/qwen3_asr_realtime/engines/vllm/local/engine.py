"""Qwen3-ASR on vLLM in this server: one GPU, or several on one machine."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import numpy as np
import structlog

from qwen3_asr_realtime.engines.base import EngineError, EngineInfo, EngineStatus, Priority, SegmentOptions, model_name
from qwen3_asr_realtime.engines.vllm.backend import Answer, Request, TokenCount
from qwen3_asr_realtime.engines.vllm.languages import NAMES
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions
from qwen3_asr_realtime.engines.vllm.local.backend import LocalBackend
from qwen3_asr_realtime.engines.vllm.local.guardian import Guardian
from qwen3_asr_realtime.engines.vllm.local.loading import load
from qwen3_asr_realtime.engines.vllm.local.supervision import Supervisor
from qwen3_asr_realtime.engines.vllm.prompt import forced_head
from qwen3_asr_realtime.engines.vllm.stream import PARTIAL_STEP_S, Qwen3Stream, StreamLimits
from qwen3_asr_realtime.engines.vllm.windows import AudioWindows
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE

log = structlog.get_logger()


class LocalVllmEngine:
    """The engine behind the contract of `engines/base.py`, and the backend of its streams, however often it dies."""

    def __init__(self, options: LocalOptions, limits: StreamLimits) -> None:
        """Prepare; nothing is loaded before `start`.

        Args:
            options: What to run, and how.
            limits: Bounds on each request.
        """
        self._limits = limits
        self._tokens = TokenCount()
        self._supervisor = Supervisor(lambda: launch(options, limits.max_segment_s), options.max_backoff_s)
        self.info = EngineInfo(
            name="vllm",
            model=model_name(options.model),
            languages=None,
            max_segment_s=limits.max_segment_s,
            concurrency=options.max_num_seqs,
            partial_step_s=PARTIAL_STEP_S,
            batched=True,
        )

    @property
    def status(self) -> EngineStatus:
        """Whether it is up, and how often it died."""
        status = self._supervisor.status
        return replace(status, prompt_tokens=self._tokens.prompt, cached_tokens=self._tokens.cached)

    async def start(self) -> None:
        """Load the model and warm it up: from half a minute to some. Does nothing if it runs already.

        Raises:
            EngineError: It does not start.
        """
        await self._supervisor.start()

    async def stop(self) -> None:
        """Free everything; running refreshes end with an error. Takes up to some seconds; safe to call twice."""
        await self._supervisor.stop()

    def open(self, options: SegmentOptions) -> Qwen3Stream:
        """Begin a segment. It outlives an engine that dies: its next refresh goes to the next engine."""
        return Qwen3Stream(self, options, self._limits, features=True)

    async def generate(self, request: Request) -> Answer:
        """Answer one request (see `Backend`).

        Raises:
            EngineError: It failed, or the engine is down.
        """
        answer = await self._supervisor.running().backend.generate(request)
        self._tokens.add(answer)
        return answer

    async def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens (see `Backend`).

        Raises:
            EngineError: The engine is down.
        """
        return await self._supervisor.running().backend.truncate(text, max_tokens)


class RunningEngine:
    """One engine that is up, with the guardian of its processes.

    Attributes:
        backend: Where requests go.
    """

    def __init__(self, backend: LocalBackend, guardian: Guardian) -> None:
        self.backend = backend
        self._guardian = guardian

    @property
    def is_dead(self) -> bool:
        """Whether it will not answer any more."""
        return self.backend.is_dead

    async def close(self) -> None:
        """End it; its processes are gone then, dead or alive."""
        try:
            await self.backend.close()
        finally:
            await asyncio.to_thread(self._guardian.close)


async def launch(options: LocalOptions, max_segment_s: float) -> RunningEngine:
    """Start an engine and have it answer once.

    Raises:
        EngineError: It does not start, or does not answer. Nothing is left of it.
    """
    try:
        guardian = await asyncio.to_thread(Guardian)
    except OSError as error:
        raise EngineError(f"the guardian of the engine's processes does not start: {error}") from error
    backend = None
    try:
        backend = LocalBackend(await load(options, max_segment_s, guardian))
        await backend.generate(_warm_up_request())
    except BaseException:
        try:
            if backend is not None:
                await backend.close()
        finally:
            await asyncio.to_thread(guardian.close)
        raise
    log.info("loaded", model=options.model)
    return RunningEngine(backend, guardian)


def _warm_up_request() -> Request:
    """A second of silence. The first request costs seconds: tables are computed, kernels chosen."""
    segment_id = uuid4().hex
    return Request(
        segment_id=segment_id,
        windows=AudioWindows(segment_id, features=True).windows(np.zeros(SAMPLE_RATE, np.float32), NO_SAMPLES),
        context="",
        head=forced_head(NAMES["en"]),
        prefix=(),
        max_new_tokens=8,
        priority=Priority.FINAL,
    )
