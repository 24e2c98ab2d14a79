"""An engine without a model, for tests of everything around engines and for load tests of the server alone."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from qwen3_asr_realtime.engines.base import (
    EngineError,
    EngineInfo,
    EngineStatus,
    Hypothesis,
    Priority,
    SegmentOptions,
)
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

SILENCE = Hypothesis("")

CALLS_KEPT = 10_000
"""More than any test asks for; a load test runs on for hours."""


@dataclass(frozen=True, slots=True)
class Call:
    """One refresh, as it was asked for."""

    n_samples: int
    final: bool
    priority: Priority
    options: SegmentOptions


@dataclass(frozen=True, slots=True)
class Reply:
    """What one refresh gives.

    Attributes:
        hypothesis: The answer.
        latency_s: Time until it comes, in seconds of the event loop's clock; `math.inf` hangs until cancelled.
        error: If not empty, the refresh fails with this message instead, after the same time.
    """

    hypothesis: Hypothesis = SILENCE
    latency_s: float = 0.0
    error: str = ""


Script: TypeAlias = Callable[[Call], Reply]


def counted_words(call: Call) -> Reply:
    """Hear "w1 w2 w3 …", one word for each half second of audio."""
    n_words = call.n_samples * 2 // SAMPLE_RATE
    text = " ".join(f"w{i}" for i in range(1, n_words + 1))
    return Reply(Hypothesis(text, language="en" if text else ""))


class ScriptedEngine:
    """Answers by a script and remembers what it was asked; `start` and `stop` do nothing.

    Attributes:
        script: Gives the reply to each call; may be replaced at any time.
        calls: The latest refreshes, in the order they began.
        info: What the engine claims to be.
        status: How it claims to be.
    """

    def __init__(self, script: Script = counted_words, *, concurrency: int = 8, max_segment_s: float = 15.0) -> None:
        self.script = script
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.info = EngineInfo("scripted", "scripted", None, max_segment_s=max_segment_s, concurrency=concurrency)
        self.status = EngineStatus()

    async def start(self) -> None: ...  # noqa: D102 - see the class

    async def stop(self) -> None: ...  # noqa: D102 - see the class

    def open(self, options: SegmentOptions) -> "ScriptedStream":
        """Begin a segment."""
        return ScriptedStream(self, options)


class ScriptedStream:
    """One segment; it remembers nothing."""

    def __init__(self, engine: ScriptedEngine, options: SegmentOptions) -> None:
        self._engine = engine
        self._options = options

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
        """Reply as the script says."""
        del following, use_prefix, speech_confirmed
        call = Call(len(audio), final, priority, self._options)
        self._engine.calls.append(call)
        reply = self._engine.script(call)
        await asyncio.sleep(reply.latency_s)
        if reply.error:
            raise EngineError(reply.error)
        return reply.hypothesis

    def close(self) -> None:  # noqa: D102 - nothing to forget
        ...
