"""What speech detection costs with many sessions at once: a call of the model for each frame, and frames in batches.

    python benchmarks/vad_batching.py [--seconds 5]

Sessions push speech and pauses in real time, in pieces of 100 ms and of 20 ms, each on a schedule of its own without
drift. "Alone" judges every frame in a call of its own, in a pool of threads, with one hop to a thread and back for each
push. "Batched" goes the way of the server; the beginnings of the pushes are spread over the length of one, and "in
step", all sessions push at the same moments. Printed: CPU time of the process for a second of audio of one session,
with that of the schedule alone taken off, beside the mean size of the calls; and the p99 of how long after its time a
push was done with. Above that, what calls cost one after the other, which says how the machine is doing.
"""

import argparse
import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import uvloop

from harness import english_clips, print_table, silence
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples
from qwen3_asr_realtime.server.judging import FrameJudge
from qwen3_asr_realtime.settings import cpu_cores
from qwen3_asr_realtime.vad.detector import SpeechDetector
from qwen3_asr_realtime.vad.endpointing import EndpointingParameters
from qwen3_asr_realtime.vad.silero import FRAMES_MAX, STATE_SIZE, WINDOW_SAMPLES, Frames, SileroModel

PUSHES_MS = (100, 20)
SESSIONS = (1, 8, 32, 128)

Push = Callable[[SpeechDetector, Samples], Awaitable[None]]


@dataclass(frozen=True)
class Cost:
    """What one way of working took."""

    cpu_ms: float
    delay_p99_ms: float
    mean_batch: float

    def __str__(self) -> str:
        return f"{self.cpu_ms:.2f} ms ({self.mean_batch:.1f}), {self.delay_p99_ms:.0f} ms"


class CountingModel(SileroModel):
    """Counts its calls and the frames in them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.frames = 0

    def judge(self, batch: Sequence[Frames]) -> None:
        """Count, then judge."""
        self.calls += 1
        self.frames += sum(min(frames.left, FRAMES_MAX) for frames in batch)
        super().judge(batch)


async def paced(
    push: Push, sessions: int, push_ms: int, seconds: float, audio: Samples, *, in_step: bool
) -> tuple[float, list[float]]:
    """Run sessions in real time; return CPU time per second of audio of one of them, in ms, and delays in ms."""
    loop = asyncio.get_running_loop()
    size = SAMPLE_RATE * push_ms // 1000
    delays_ms: list[float] = []

    async def run(index: int) -> None:
        detector = SpeechDetector(EndpointingParameters())
        begin_s = start_s + (0 if in_step else push_ms / 1000 * index / sessions)
        position = index * 7 * SAMPLE_RATE % len(audio)
        for number in range(int(seconds * 1000 / push_ms)):
            due_s = begin_s + number * push_ms / 1000
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            await push(detector, audio[position : position + size])
            position = (position + size) % (len(audio) - size)
            delays_ms.append((loop.time() - due_s) * 1000)

    start_s = loop.time()
    before_s = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for index in range(sessions):
            tasks.create_task(run(index), name=f"session {index}")
    return (time.process_time() - before_s) * 1000 / seconds / sessions, delays_ms


async def nothing(detector: SpeechDetector, samples: Samples) -> None:
    """Leave detection out."""


async def cost(
    push: Push, model: CountingModel, sessions: int, push_ms: int, *, seconds: float, audio: Samples, in_step: bool
) -> Cost:
    """What one way of working takes, the schedule not included."""
    schedule_ms, _ = await paced(nothing, sessions, push_ms, seconds / 2, audio, in_step=in_step)
    model.calls = model.frames = 0
    cpu_ms, delays_ms = await paced(push, sessions, push_ms, seconds, audio, in_step=in_step)
    return Cost(cpu_ms - schedule_ms, float(np.quantile(delays_ms, 0.99)), model.frames / model.calls)


def call_us(model: SileroModel, batch: int) -> float:
    """CPU time of a frame in calls of some size, one right after the other: the best of some attempts."""
    windows = np.full((batch, WINDOW_SAMPLES), 0.01, np.float32)
    lengths = np.ones(batch, np.int32)
    states = np.zeros((2, batch, STATE_SIZE), np.float32)
    times_s = []
    for _ in range(20):
        before_s = time.thread_time()
        for _ in range(10):
            model.probabilities(windows, lengths, states)
        times_s.append(time.thread_time() - before_s)
    return min(times_s) / 10 / batch * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of speech detection")
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    audio = np.concatenate([piece for clip in english_clips() for piece in (clip.samples, silence(4.0))])
    model = CountingModel()
    loop = asyncio.get_running_loop()
    rows: list[list[object]] = []
    with FrameJudge(model) as judge, ThreadPoolExecutor(cpu_cores()) as threads:

        async def batched(detector: SpeechDetector, samples: Samples) -> None:
            if (frames := detector.take(samples)) is not None:
                await judge.judge(frames)
                deque(detector.conclude(frames), maxlen=0)

        def push_alone(detector: SpeechDetector, samples: Samples) -> None:
            if (frames := detector.take(samples)) is not None:
                while frames.left:
                    model.judge([frames])
                deque(detector.conclude(frames), maxlen=0)

        async def alone(detector: SpeechDetector, samples: Samples) -> None:
            await loop.run_in_executor(threads, push_alone, detector, samples)

        print(f"a call with one frame: {call_us(model, 1):.0f} us; with 32, each: {call_us(model, 32):.0f} us\n")
        for push_ms in PUSHES_MS:
            for sessions in SESSIONS:
                costs = [
                    await cost(push, model, sessions, push_ms, seconds=seconds, audio=audio, in_step=in_step)
                    for push, in_step in ((alone, False), (batched, False), (batched, True))
                ]
                rows.append([f"{push_ms} ms", sessions, *costs])
    print_table(["push", "sessions", "alone: CPU (batch), p99", "batched", "batched, in step"], rows)


if __name__ == "__main__":
    uvloop.run(main())
