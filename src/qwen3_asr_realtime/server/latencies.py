"""The latencies of the last minutes, for `/stats`; Prometheus has those of all time in its histograms."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from qwen3_asr_realtime.recognition.ledger import Ledger

WINDOW_S = 300.0

KEPT = 10_000
"""Utterances at most: five minutes of 33 a second, some 2 MB."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one latency, in milliseconds; None where there was none.

    Attributes:
        count: How many there were.
        p50: Half of them were at most so long.
        p95: 95 of 100.
        p99: 99 of 100.
    """

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class Latencies:
    """Those of the utterances that ended lately.

    Args:
        now_s: A monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._recent: deque[tuple[float, dict[str, float]]] = deque(maxlen=KEPT)

    def add(self, ledger: Ledger) -> None:
        """An utterance has ended."""
        times_ms = ledger.parts_ms()
        if times_ms:
            times_ms["final"] = times_ms.pop("total")
            times_ms["final_wait"] = times_ms["final"] - times_ms["silence"]
        if ledger.first_partial_s is not None:
            times_ms["first_partial"] = 1000 * ledger.first_partial_s
        self._recent.append((self._now_s(), times_ms))
        self._forget()

    def percentiles(self, name: str) -> Percentiles:
        """Of one latency: `final`, `final_wait`, `first_partial` or a part of a final, over the last five minutes."""
        self._forget()
        values = sorted(times[name] for _, times in self._recent if name in times)
        return Percentiles(len(values), *(_rank(values, share) for share in (0.5, 0.95, 0.99)))

    def _forget(self) -> None:
        since_s = self._now_s() - WINDOW_S
        while self._recent and self._recent[0][0] < since_s:
            self._recent.popleft()


def _rank(values: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest value that the share of all does not exceed."""
    return round(values[max(0, -int(-share * len(values) // 1) - 1)], 1) if values else None
