"""How much an engine has had to do lately."""

import math

HORIZON_S = 2.0
"""Time over which the mean forgets: some decodes long, so that it sees a crowd and not each one of it."""


class MeanLoad:
    """The mean of something that changes in steps, the last seconds counting most."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._level = 0.0
        self._mean = 0.0
        self._noted_s = 0.0

    def note(self, level: float, now_s: float) -> None:
        """From now on it is so much."""
        self._mean = self.mean(now_s)
        self._noted_s = now_s
        self._level = level

    def mean(self, now_s: float) -> float:
        """What it has been lately."""
        return self._level + (self._mean - self._level) * math.exp((self._noted_s - now_s) / HORIZON_S)
