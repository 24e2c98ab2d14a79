"""How many sessions a server bears: a search over stages of load, for `MAX_SESSIONS`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from qwen3_asr_realtime.load.figures import Stage

CLOSE_ENOUGH = 0.15
"""The search ends when what fails is at most this share above what passes: two runs differ by as much."""

SHARE = 0.8
"""Part of what was borne that is proposed as the limit: people do not speak as evenly as a test."""


@dataclass(slots=True)
class Search:
    """The largest number of sessions that passes; iterate, and tell each stage before the next.

    Numbers double until one fails, then the gap is halved.

    Attributes:
        most: Never try more.
        slack_ms: A stage passes if its finals come at most so much later (p95, from the endpoint decision) than those
            of one session, and nothing is lost or goes wrong.
        passed: The largest number that passed so far.
        failed: The smallest that did not.
    """

    most: int
    slack_ms: float
    passed: int = 0
    failed: int | None = None
    _base_ms: float | None = None
    _told: bool = field(default=True)

    def __iter__(self) -> Iterator[int]:
        """The numbers to try."""
        sessions = 1
        while sessions:
            self._told = False
            yield sessions
            if not self._told:
                return  # nothing came of the stage: it was cut short
            sessions = self._next()

    def observe(self, stage: Stage) -> None:
        """Judge a stage."""
        self._told = True
        final_ms = stage.decision_to_final_ms.p95
        if self._base_ms is None:
            self._base_ms = final_ms
        sound = stage.lost == stage.duplicates == stage.n_errors == 0
        in_time = final_ms is not None and self._base_ms is not None and final_ms <= self._base_ms + self.slack_ms
        if sound and in_time:
            self.passed = max(self.passed, stage.sessions)
        else:
            self.failed = stage.sessions if self.failed is None else min(self.failed, stage.sessions)

    @property
    def proposal(self) -> int:
        """What to set `MAX_SESSIONS` to; 0 if not even one session was borne."""
        return max(1, int(self.passed * SHARE)) if self.passed else 0

    def _next(self) -> int:
        """The next number, or 0 if it is found."""
        if self.failed is None:
            return min(2 * self.passed, self.most) if self.passed < self.most else 0
        if self.failed - self.passed <= max(1, CLOSE_ENOUGH * self.passed):
            return 0
        return (self.passed + self.failed) // 2
