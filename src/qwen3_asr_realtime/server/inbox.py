"""Frames on their way from one client, and how long it has been silent."""

import asyncio
from enum import Enum, auto

from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.server.pace import Pace

Frame = str | bytes

FRAME_BYTES = 100
"""What a frame takes besides its text or bytes, so that small ones add up, too."""


class Notice(Enum):
    """Takes the place of a frame: something that the session is told behind all that its client has sent so far.

    That is no longer held back then: it would keep the notice waiting at the speed of speech.
    """

    SILENCE = auto()
    """The client has sent nothing for too long."""
    OLD_AGE = auto()
    """The session has lasted as long as one may."""
    RETIRE = auto()
    """The server is about to stop, and waits for what is open."""
    CUT = auto()
    """The server waits no longer, and drops what has not been worked on."""


class Inbox:
    """The frames that have been read and not yet worked on. Its one writer reads the socket, its one reader works.

    Args:
        limit_bytes: Frames that may wait, in bytes (of text, in characters); `room` holds the writer back past it.
        pace: Holds the reader back. A notice releases it.
        backlog: Likewise. `CUT` lifts it.
    """

    def __init__(self, limit_bytes: int, pace: Pace, backlog: Backlog) -> None:
        self._frames: asyncio.Queue[Frame | Notice] = asyncio.Queue()
        self._waiting = Backlog(limit_bytes)
        self.pace = pace
        self.backlog = backlog
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()

    async def put(self, frame: Frame) -> None:
        """Add a frame, and wait while too much of them waits; after `CUT` it is dropped."""
        self._heard_s = self._loop.time()
        if self.backlog.is_lifted:
            return
        self._waiting.add(len(frame) + FRAME_BYTES)
        self._frames.put_nowait(frame)
        if self._waiting.is_full:
            await self._waiting.room()

    def tell(self, notice: Notice) -> None:
        """Add something that is no frame."""
        self.pace.release()
        if notice is Notice.CUT:
            self.backlog.lift()
            while not self._frames.empty():
                self._take(self._frames.get_nowait())
        self._frames.put_nowait(notice)

    async def next(self) -> Frame | Notice:
        """Wait for the next frame and take it out."""
        frame = await self._frames.get()
        self._heard_s = self._loop.time()  # a client whose frames we have not come to is not silent
        return self._take(frame)

    def _take(self, frame: Frame | Notice) -> Frame | Notice:
        if not isinstance(frame, Notice):
            self._waiting.remove(len(frame) + FRAME_BYTES)
        return frame

    async def watch(self, idle_timeout_s: float) -> None:
        """Add one `SILENCE` once no frame has come for so long, or never after 0; one timer for all frames."""
        if not idle_timeout_s:
            return
        while (quiet_s := self._loop.time() - self._heard_s) < idle_timeout_s:  # noqa: ASYNC110 - no event
            await asyncio.sleep(idle_timeout_s - quiet_s)
        self.tell(Notice.SILENCE)

    async def end_after(self, session_s: float) -> None:
        """Add `OLD_AGE` after so long, or never after 0; what the client has sent before is still worked on."""
        if session_s:
            await asyncio.sleep(session_s)
            self.tell(Notice.OLD_AGE)
