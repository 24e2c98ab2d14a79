"""The recent audio of one session, for turns that begin before they are noticed."""

from collections import deque

import numpy as np

from qwen3_asr_realtime.samples import Samples


class History:
    """Audio without gaps, appended at its end and dropped from its beginning. Keeps references, copies nothing."""

    def __init__(self) -> None:
        self._pieces: deque[Samples] = deque()
        self._begin = 0
        self._end = 0

    def __len__(self) -> int:
        """Samples kept."""
        return self._end - self._begin

    def append(self, samples: Samples) -> None:
        """Add the next samples; the caller does not write to them any more."""
        self._pieces.append(samples)
        self._end += len(samples)

    def drop_before(self, position: int) -> None:
        """Forget audio before `position`, in whole pieces."""
        while self._pieces and self._begin + len(self._pieces[0]) <= position:
            self._begin += len(self._pieces.popleft())

    def read(self, begin: int, end: int) -> Samples:
        """The samples from `begin` up to `end`, at least one.

        Raises:
            IndexError: They are not all kept, or none.
        """
        if not self._begin <= begin < end <= self._end:
            raise IndexError(f"samples {begin} to {end} are not in the history, {self._begin} to {self._end}")
        wanted: list[Samples] = []
        last = self._end
        for piece in reversed(self._pieces):
            first = last - len(piece)
            if first < end:
                wanted.append(piece[max(begin - first, 0) : end - first])
            if first <= begin:
                break
            last = first
        return wanted[0] if len(wanted) == 1 else np.concatenate(wanted[::-1])
