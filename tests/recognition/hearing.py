"""An engine that hears what is in the audio, and audio that says what is to be heard.

Word k is a stretch of the constant value k / 1024, and silence is zeros. So a transcript shows which audio an engine
was given, and in how many pieces.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qwen3_asr_realtime.engines.base import EngineError, EngineInfo, EngineStatus, Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

WORD_S = 0.4
GAP_S = 0.1  # between two words; they come at two a second
_SCALE = 1024


def silence(duration_s: float) -> Samples:
    return np.zeros(int(duration_s * SAMPLE_RATE), np.float32)


def words(count: int, first: int = 1) -> Samples:
    """So many words, each followed by its gap, half a second together."""
    spoken = [np.full(int(WORD_S * SAMPLE_RATE), number / _SCALE, np.float32) for number in range(first, first + count)]
    return np.concatenate([part for word in spoken for part in (word, silence(GAP_S))] or [silence(0)])


def text(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last + 1))


def heard(audio: Samples) -> str:
    """The words of which at least half is there, as far as a look every 10 ms tells."""
    values, counts = np.unique(audio[::160], return_counts=True)
    numbers = [round(float(value) * _SCALE) for value, count in zip(values, counts, strict=True) if count >= 20]
    return " ".join(f"w{number}" for number in numbers if number)


@dataclass
class Call:
    """One refresh: what was asked, when, and what became of it."""

    text: str
    n_samples: int
    final: bool
    use_prefix: bool
    priority: Priority
    began_s: float
    following_samples: int
    speech_confirmed: bool
    ended: str = "running"  # then "answered", "failed" or "cancelled"


@dataclass(frozen=True)
class Reply:
    """How a refresh goes.

    Attributes:
        latency_s: Time until it ends; infinity hangs until cancelled.
        error: What it ends with instead of an answer.
        hypothesis: The answer, instead of what is in the audio.
        stopping_s: Time the work takes to stop when it is cancelled.
    """

    latency_s: float = 0.0
    error: Exception | None = None
    hypothesis: Hypothesis | None = None
    stopping_s: float = 0.0


HANGING = Reply(latency_s=math.inf)
BROKEN = Reply(error=EngineError("out of order"))


class HearingEngine:
    """Hears; how long that takes and whether it works is up to `reply`.

    Attributes:
        calls: Every refresh so far.
        opened: What each stream was opened with.
        open_streams: Streams that have not been closed.
        most_running: The most refreshes that ran at the same time.
    """

    def __init__(
        self,
        reply: Callable[[Call], Reply] = lambda call: Reply(),
        *,
        concurrency: int = 1,
        max_segment_s: float = 15.0,
        partial_step_s: float = 0.0,
    ) -> None:
        self.reply = reply
        self.calls: list[Call] = []
        self.opened: list[SegmentOptions] = []
        self.open_streams = 0
        self.most_running = 0
        self.info = EngineInfo(
            "hearing",
            "hearing",
            None,
            max_segment_s=max_segment_s,
            concurrency=concurrency,
            partial_step_s=partial_step_s,
        )
        self.status = EngineStatus()

    @property
    def finals(self) -> list[Call]:
        return [call for call in self.calls if call.final]

    @property
    def partials(self) -> list[Call]:
        return [call for call in self.calls if not call.final]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def open(self, options: SegmentOptions) -> "HearingStream":
        self.opened.append(options)
        self.open_streams += 1
        return HearingStream(self)


class HearingStream:
    def __init__(self, engine: HearingEngine) -> None:
        self._engine = engine
        self._closed = False

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
        assert not self._closed
        began_s = asyncio.get_running_loop().time()
        call = Call(heard(audio), len(audio), final, use_prefix, priority, began_s, len(following), speech_confirmed)
        self._engine.calls.append(call)
        running = sum(other.ended == "running" for other in self._engine.calls)
        self._engine.most_running = max(self._engine.most_running, running)
        reply = self._engine.reply(call)
        try:
            if math.isinf(reply.latency_s):
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(reply.latency_s)
        except asyncio.CancelledError:
            await asyncio.sleep(reply.stopping_s)
            call.ended = "cancelled"
            raise
        assert heard(audio) == call.text, "the audio has changed meanwhile"
        if reply.error is not None:
            call.ended = "failed"
            raise reply.error
        call.ended = "answered"
        return reply.hypothesis or Hypothesis(call.text, language="en" if call.text else "")

    def close(self) -> None:
        self._engine.open_streams -= not self._closed
        self._closed = True


def only(kind, reply):
    """A reply to finals or to partials; the others are answered at once."""
    return lambda call: reply if call.final == (kind == "final") else Reply()
