"""Which sessions are admitted: as many as this machine can serve well, and no more."""

import resource
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from qwen3_asr_realtime.recognition.scheduler import Scheduler

RETRY_AFTER_S = 5
"""What a refused client is told to wait: utterances end and sessions close within seconds."""

_STATM = Path("/proc/self/statm")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds beyond which new sessions are refused; 0 means none.

    Attributes:
        sessions: Sessions at a time.
        sessions_per_key: Of one key.
        memory_mib: Resident memory of this process, in MiB.
        queue_delay_s: Time that finals have waited for a slot lately.
    """

    sessions: int
    sessions_per_key: int = 0
    memory_mib: int = 0
    queue_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is not admitted.

    Attributes:
        limit: Name of the setting.
        value: What it is set to.
    """

    limit: str
    value: float

    @property
    def message(self) -> str:
        """For the client."""
        what = "Too many sessions of this key" if self.limit == "MAX_SESSIONS_PER_KEY" else "Too many sessions"
        return f"{what}. Try again in {RETRY_AFTER_S} seconds."


@dataclass(slots=True)
class Admission:
    """The sessions there are, and whether one more is admitted.

    Attributes:
        limits: The bounds.
        scheduler: Tells how long finals wait.
        refused: How often each limit was the reason.
    """

    limits: AdmissionLimits
    scheduler: Scheduler
    refused: Counter[str] = field(default_factory=Counter)
    _sessions: Counter[str] = field(default_factory=Counter)
    _count: int = 0

    @property
    def sessions(self) -> int:
        """Sessions now."""
        return self._count

    def refusal(self, tenant: str = "") -> Refusal | None:
        """The limit that keeps one more session out, or None.

        Args:
            tenant: Whose key it shows, or "".
        """
        limits = self.limits
        if self._count >= limits.sessions:
            return Refusal("MAX_SESSIONS", limits.sessions)
        if tenant and limits.sessions_per_key and self._sessions[tenant] >= limits.sessions_per_key:
            return Refusal("MAX_SESSIONS_PER_KEY", limits.sessions_per_key)
        if limits.queue_delay_s and self.scheduler.final_delay_s(monotonic()) > limits.queue_delay_s:
            return Refusal("MAX_QUEUE_DELAY_SEC", limits.queue_delay_s)
        if limits.memory_mib and resident_mib() > limits.memory_mib:
            return Refusal("MAX_MEMORY_MIB", limits.memory_mib)
        return None

    def refuse(self, tenant: str) -> Refusal | None:
        """As `refusal`, and count it."""
        refusal = self.refusal(tenant)
        if refusal is not None:
            self.refused[refusal.limit] += 1
        return refusal

    @contextmanager
    def session(self, tenant: str) -> Iterator[None]:
        """Count a session for the length of the block."""
        self._count += 1
        self._sessions[tenant] += 1
        try:
            yield
        finally:
            self._count -= 1
            self._sessions[tenant] -= 1
            if not self._sessions[tenant]:
                del self._sessions[tenant]


def resident_mib() -> float:
    """Resident memory of this process in MiB; where there is no `/proc`, the most it ever was."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / _MIB
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / _MIB if sys.platform == "darwin" else peak / 1024
