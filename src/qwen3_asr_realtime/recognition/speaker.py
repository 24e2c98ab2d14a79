"""What the utterances of one session have in common."""

from collections import deque
from dataclasses import dataclass, field

from qwen3_asr_realtime.recognition.backlog import Backlog

ARRIVALS_KEPT = 512
"""Pieces of audio whose arrival is remembered: silences of ten seconds in pieces of 20 ms."""


class Arrivals:
    """When the last pieces of a session's audio came in."""

    def __init__(self) -> None:
        """Begin with none."""
        self._pieces: deque[tuple[int, float]] = deque(maxlen=ARRIVALS_KEPT)

    def note(self, until_sample: int, now_s: float) -> None:
        """The session's audio up to a sample is here."""
        self._pieces.append((until_sample, now_s))

    def when(self, sample: int) -> float | None:
        """When the audio up to a sample had come in, or None if it has not; at the earliest what is remembered."""
        return next((came_s for until_sample, came_s in self._pieces if until_sample >= sample), None)


@dataclass(slots=True)
class PreviousFinal:
    """The last final of a session: models say things again that were said before.

    Attributes:
        text: Its transcript.
        duration_s: Length of its audio in seconds.
    """

    text: str = ""
    duration_s: float = 0.0


@dataclass(slots=True)
class Speaker:
    """Whose utterances they are.

    Attributes:
        backlog: Counts the audio that waits to be recognised.
        tenant: On whose account it is.
        arrivals: When the audio came in.
        previous: The last final.
        language: Code of the language of the last words, "" before the first.
    """

    backlog: Backlog
    tenant: str = ""
    arrivals: Arrivals = field(default_factory=Arrivals)
    previous: PreviousFinal = field(default_factory=PreviousFinal)
    language: str = ""
