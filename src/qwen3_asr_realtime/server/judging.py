"""The way of frames from connections to the thread that judges them, and back to the event loop.

Here and not in `vad/`, which knows no event loop.
"""

import asyncio
from types import TracebackType
from typing import Self

from qwen3_asr_realtime.vad.batching import FrameBatcher
from qwen3_asr_realtime.vad.silero import Frames, SileroModel


class DetectionError(Exception):
    """The model's call failed that some frame was in."""


class FrameJudge:
    """Has the frames of all connections judged. A context manager, for use on the event loop it was made on.

    Args:
        model: The model.
    """

    def __init__(self, model: SileroModel) -> None:
        self._loop = asyncio.get_running_loop()
        self._batcher = FrameBatcher(model, self._deliver)
        self._waiting: dict[Frames, asyncio.Future[None]] = {}

    def __enter__(self) -> Self:
        self._batcher.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._batcher.__exit__(kind, error, traceback)

    async def judge(self, frames: Frames) -> None:
        """Return once all frames are judged; if cancelled, they no longer are.

        Raises:
            DetectionError: A call of the model failed.
        """
        waiter = self._waiting[frames] = self._loop.create_future()
        self._batcher.submit(frames)
        try:
            await waiter
        finally:
            frames.abandoned = True
            del self._waiting[frames]

    def _deliver(self, batch: list[Frames], error: Exception | None) -> None:
        """In the batcher's thread: one hop to the loop for the whole batch."""
        self._loop.call_soon_threadsafe(self._wake, batch, error)

    def _wake(self, batch: list[Frames], error: Exception | None) -> None:
        for frames in batch:
            waiter = self._waiting.get(frames)
            if waiter is None or waiter.done():
                continue  # its connection has gone meanwhile
            if error is None:
                waiter.set_result(None)
            else:
                failure = DetectionError("speech detection failed")
                failure.__cause__ = error
                waiter.set_exception(failure)
