"""One line for the frames of all sessions: whoever waits when the model becomes free is in its next call."""

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias

from qwen3_asr_realtime.vad.silero import Frames, SileroModel

BATCH_MAX = 32
"""Sessions in one call. Larger calls cost little less per frame (an eighth less at 128) and last longer: 1.7 ms at 32,
which is what a frame that just missed a call waits for the next."""

BURST_INTERVAL_S = 0.02
"""Least time from the beginning of one burst of calls to that of the next. A model that has been idle for some
milliseconds has lost its place in the caches of the processor, and its first call costs up to six times as much: few
large bursts are cheaper than many small ones (`benchmarks/vad_batching.py`). A session alone hardly ever waits."""

LONG_BURST_CALLS = 8
"""A burst of so many calls, a file at full speed, has paid for its cold start: the next one begins at once."""

Deliver: TypeAlias = Callable[[list[Frames], Exception | None], None]
"""Takes the frames whose last one was in a call, or those that a call failed with, alone in it, and the error."""


class FrameBatcher:
    """Judges the frames of all sessions in a thread of its own. A context manager: the thread runs inside it.

    A call takes some frames of each session that waits, the longest waiting first, and calls follow one another until
    nobody waits: a burst. The next one begins with the first frame that comes, but not sooner than `BURST_INTERVAL_S`
    after a short one began. A session with more frames than a call takes goes to the end of the line after each, so
    that a file at full speed takes its share of every call and holds up nobody.

    Args:
        model: The model.
        deliver: Called in the thread, at most once per call of the model.
    """

    def __init__(self, model: SileroModel, deliver: Deliver) -> None:
        self._model = model
        self._deliver = deliver
        self._arrivals: SimpleQueue[Frames | None] = SimpleQueue()  # None asks the thread to end.
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="vad")

    def submit(self, frames: Frames) -> None:
        """Have frames judged; `deliver` gets them, unless they are abandoned before. From any thread."""
        self._arrivals.put(frames)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._arrivals.put(None)
        self._thread.join()

    # Private: in the thread.

    def _work(self) -> None:
        line: deque[Frames] = deque()
        again: list[Frames] = []  # Have been in the last call, and stand behind all who arrived during it.
        calls, next_burst_s = 0, 0.0
        while not self._ending:
            if not line and not again:
                line += self._arrived(wait=True)
                wait_s = next_burst_s - time.monotonic()
                if calls < LONG_BURST_CALLS and wait_s > 0:
                    time.sleep(wait_s)
                calls, next_burst_s = 0, time.monotonic() + BURST_INTERVAL_S
            calls += 1
            line += self._arrived()
            line += again
            batch = [line.popleft() for _ in range(min(len(line), BATCH_MAX))]
            again = self._judge([frames for frames in batch if not frames.abandoned])

    def _arrived(self, *, wait: bool = False) -> list[Frames]:
        """Who has come since the last time, at least one if told to wait, and notice if the thread is to end."""
        arrived = []
        for _ in range(max(self._arrivals.qsize(), wait)):
            frames = self._arrivals.get()
            if frames is None:
                self._ending = True
            else:
                arrived.append(frames)
        return arrived

    def _judge(self, batch: list[Frames]) -> list[Frames]:
        """Make one call; return the frames that need another one."""
        if not batch:
            return []
        try:
            self._model.judge(batch)
        except Exception as error:  # whatever it is, it is for those who brought it; the thread goes on for the others
            if len(batch) > 1:
                return [again for frames in batch for again in self._judge([frames])]
            self._deliver(batch, error)
            return []
        again = [frames for frames in batch if frames.left]
        if len(again) < len(batch):
            self._deliver([frames for frames in batch if not frames.left], None)
        return again
