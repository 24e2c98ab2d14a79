"""The engine every install can run, on the CPU, in a pool of threads: Moonshine for English, Whisper for the rest.

Moonshine comes with the install, Whisper's weights are fetched (`qwen3-asr-realtime models`). Without them it knows
English only.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from qwen3_asr_realtime.engines.base import (
    EngineError,
    EngineInfo,
    EngineStatus,
    Hypothesis,
    Priority,
    SegmentOptions,
)
from qwen3_asr_realtime.engines.moonshine.model import Moonshine
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights
from qwen3_asr_realtime.engines.polyglot import English, Heard, Listener, Polyglot, Wish
from qwen3_asr_realtime.engines.whisper.model import Whisper
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

MAX_SEGMENT_S = 15.0
"""Longest segment. Longer ones cost more per second of audio (`benchmarks/embedded_cost.py`) and read no better."""


class EmbeddedEngine:
    """Moonshine and Whisper behind the contract of `engines/base.py`."""

    def __init__(self, workers: int, locate_whisper: Callable[[], Path] | None = None, whisper_name: str = "") -> None:
        """Prepare; nothing is loaded before `start`.

        Args:
            workers: Threads that decode. One core each is right; more only share the same cores.
            locate_whisper: Finds and checks the folder with Whisper's weights, or raises a `StartError`; None: English
                only.
            whisper_name: What to call that model.
        """
        self._info = EngineInfo(
            name="embedded",
            model=" + ".join(filter(None, ("moonshine-tiny-en", whisper_name))),
            languages=None if locate_whisper else frozenset({"en"}),
            max_segment_s=MAX_SEGMENT_S,
            concurrency=workers,
        )
        self._locate_whisper = locate_whisper
        self._start_or_stop = asyncio.Lock()
        self._running: tuple[Listener, ThreadPoolExecutor] | None = None
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
        """Check, load and warm up the models, one or two seconds. Does nothing if they run already.

        Raises:
            StartError: A model is missing, damaged or does not run here.
        """
        async with self._start_or_stop:
            if self._running is None:
                listener = await asyncio.to_thread(_load, self._info.concurrency, self._locate_whisper)
                self._running = listener, ThreadPoolExecutor(self._info.concurrency, thread_name_prefix="embedded")

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
        """Begin a segment."""
        return EmbeddedStream(self, options)

    async def hear(self, audio: Samples, wish: Wish) -> Heard:
        """Run one decode in the pool; when the caller is cancelled, the thread stops soon too.

        Raises:
            EngineError: The decode failed, or the engine does not run.
        """
        if self._running is None:
            raise EngineError("the embedded engine is not running")
        listener, pool = self._running
        cancelled = threading.Event()
        self._decodes.add(cancelled)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, listener.hear, audio, wish, cancelled)
        finally:
            cancelled.set()
            self._decodes.remove(cancelled)


class EmbeddedStream:
    """One segment. It remembers its last partial as a draft of the next one, and its language once that is certain."""

    def __init__(self, engine: EmbeddedEngine, options: SegmentOptions) -> None:
        """Begin with what the client wants."""
        self._engine = engine
        self._wish = Wish(language=options.language, expected=options.expected, context=options.context)

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

        `priority` is not used: the pool runs as many decodes as `info.concurrency`, and who comes first is decided
        before. Neither is `following`: both models take audio of any length.
        """
        del priority, following
        wish = replace(self._wish, final=final, speech_confirmed=speech_confirmed)
        heard = await self._engine.hear(audio, wish if use_prefix else replace(wish, draft=()))
        self._wish = replace(
            self._wish,
            language=self._wish.language or heard.decided,
            presumed=heard.presumed or self._wish.presumed,
            draft=heard.draft,
        )
        return heard.hypothesis

    def close(self) -> None:
        """Forget the draft."""
        self._wish = replace(self._wish, draft=())


def _load(workers: int, locate_whisper: Callable[[], Path] | None) -> Listener:
    moonshine = Moonshine(verify_weights(locate_weights()))
    # The longest segment, so that the memory for it is taken now and not under the first long sentence.
    moonshine.decode(np.zeros(int(MAX_SEGMENT_S * SAMPLE_RATE), np.float32))
    english = English(moonshine)
    return Polyglot(english, Whisper(locate_whisper(), workers)) if locate_whisper else english
