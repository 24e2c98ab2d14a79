"""Waits between the launches of what keeps ending."""

from typing import Final

FIRST_WAIT_S: Final = 1.0

SETTLED_S: Final = 300.0
"""What lived so long did not die of how it is configured; after that the waits begin anew."""


class BackOff:
    """How long to wait before something that ended is started again: 1 s, 2, 4 … up to a bound."""

    def __init__(self, max_s: float) -> None:
        """Begin with the shortest wait."""
        self._max_s = max_s
        self._next_s = min(FIRST_WAIT_S, max_s)

    def after(self, lived_s: float) -> float:
        """The wait after one that lived for `lived_s` seconds; 0 for one that did not start."""
        if lived_s >= SETTLED_S:
            self._next_s = min(FIRST_WAIT_S, self._max_s)
        wait_s = self._next_s
        self._next_s = min(2 * wait_s, self._max_s)
        return wait_s
