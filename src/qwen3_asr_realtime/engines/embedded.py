"""The engine every install can run: Moonshine tiny-en on the CPU, in a pool of threads. English only."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from qwen3_asr_realtime.engines.base import (
    EngineError,
    EngineInfo,
    EngineStatus,
    Hypothesis,
    Priority,
    SegmentOptions,
)
from qwen3_asr_realtime.engines.moonshine.model import Moonshine, Transcript
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

MAX_SEGMENT_S = 15.0
"""Longest segment. Longer ones cost more per second of audio (`benchmarks/embedded_cost.py`) and read no better."""


class EmbeddedEngine:
    """Moonshine behind the contract of `engines/base.py`."""

    def __init__(self, workers: int) -> None:
        """Prepare; nothing is loaded before `start`.

        Args:
            workers: Threads that decode. One core each is right; more only share the same cores.
        """
        self._info = EngineInfo(
            name="embedded",
            model="moonshine-tiny-en",
            languages=frozenset({"en"}),
            max_segment_s=MAX_SEGMENT_S,
            concurrency=workers,
        )
        self._start_or_stop = asyncio.Lock()
        self._running: tuple[Moonshine, ThreadPoolExecutor] | None = None
        self._decodes: set[threading.Event] = set()

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        return self._info

    @property
    def status(self) -> EngineStatus:
        """Always well: it runs in this process."""
        return EngineStatus()

    async def start(self) -> None:
        """Check, load and warm up the model, about half a second. Does nothing if it runs already.

        Raises:
            EngineError: The model is missing, damaged or does not run here.
        """
        async with self._start_or_stop:
            if self._running is None:
                model = await asyncio.to_thread(_load)
                self._running = model, ThreadPoolExecutor(self._info.concurrency, thread_name_prefix="moonshine")

    async def stop(self) -> None:
        """End the running refreshes with an error, wait for their threads and free the model. Safe to call twice."""
        async with self._start_or_stop:
            if self._running is None:
                return
            (_, pool), self._running = self._running, None
            # Queued decodes are let through to find their flag set. Cancelling their futures would raise
            # CancelledError in tasks that nobody cancelled.
            for cancelled in self._decodes:
                cancelled.set()
            await asyncio.to_thread(pool.shutdown)

    def open(self, options: SegmentOptions) -> "EmbeddedStream":
        """Begin a segment. Moonshine knows one language and takes no context, so the options change nothing."""
        del options
        return EmbeddedStream(self)

    async def decode(self, audio: Samples, draft: Sequence[int]) -> Transcript:
        """Run one decode in the pool; when the caller is cancelled, the thread stops soon too.

        Raises:
            EngineError: The decode failed, or the engine does not run.
        """
        if self._running is None:
            raise EngineError("the embedded engine is not running")
        model, pool = self._running
        cancelled = threading.Event()
        self._decodes.add(cancelled)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, model.decode, audio, draft, cancelled)
        finally:
            cancelled.set()
            self._decodes.remove(cancelled)


class EmbeddedStream:
    """One segment. It remembers its last partial as a draft of the next one."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        """Begin with no draft."""
        self._engine = engine
        self._draft: Sequence[int] = ()

    async def refresh(
        self,
        audio: Samples,
        *,
        final: bool,
        following: Samples = NO_SAMPLES,
        use_prefix: bool = True,
        speech_confirmed: bool = True,
        priority: Priority = Priority.PARTIAL,
    ) -> Hypothesis:
        """Recognise the segment's audio so far (see `SegmentStream.refresh`).

        A final is decoded without a draft, so its text depends on the audio alone and not on which partials were asked
        for. `priority` is not used: the pool runs as many decodes as `info.concurrency`, and who comes first is decided
        before. Moonshine takes audio of any length and has no answer of its own to silence.
        """
        del priority, following, speech_confirmed
        draft = self._draft if use_prefix and not final else ()
        transcript = await self._engine.decode(audio, draft)
        self._draft = transcript.token_ids
        return Hypothesis(
            text=transcript.text,
            language="en" if transcript.text else "",
            truncated=transcript.truncated,
        )

    def close(self) -> None:
        """Forget the draft."""
        self._draft = ()


def _load() -> Moonshine:
    model = Moonshine(verify_weights(locate_weights()))
    # The longest segment, so that the memory for it is taken now and not under the first long sentence.
    model.decode(np.zeros(int(MAX_SEGMENT_S * SAMPLE_RATE), np.float32))
    return model
