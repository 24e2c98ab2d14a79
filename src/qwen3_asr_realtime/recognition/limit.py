"""How many decodes to have under way: learned from how long they take, up to what the engine can take at all.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP finds its share of a line it knows nothing of.
A GPU batches: up to a point one more request costs the others nothing, and beyond it all become slower together. Where
that point lies depends on the card, the model and how people speak.
"""

from dataclasses import dataclass

BACK_OFF = 0.8
WINDOW = 16
"""Decodes after a decrease whose times still show the load before it."""


@dataclass(slots=True)
class ConcurrencyLimit:
    """The limit, and what moves it.

    Attributes:
        cap: The most there may ever be.
        target_s: Decodes that take longer than this on average are too many at a time.
        value: The limit now, at least 1.
    """

    cap: int
    target_s: float
    value: float = 0.0
    _mean_s: float = 0.0
    _settling: int = 0

    def __post_init__(self) -> None:
        """Begin at the cap: what is not busy needs no limit."""
        self.value = float(self.cap)

    def observe(self, service_s: float, *, full: bool) -> None:
        """A decode is done.

        Args:
            service_s: How long it took.
            full: The limit was reached while it ran. Only then is there reason to raise it.
        """
        self._mean_s += (service_s - self._mean_s) / WINDOW
        if self._settling:
            self._settling -= 1
        elif self._mean_s > self.target_s:
            self.value = max(1.0, self.value * BACK_OFF)
            self._settling = WINDOW
        elif full:
            self.value = min(float(self.cap), self.value + 1 / self.value)

    @property
    def slots(self) -> int:
        """Decodes that may run at the same time."""
        return int(self.value)
