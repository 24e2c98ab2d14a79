"""Which sessions are admitted: as many as this machine can serve well, and no more."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from qwen3_asr_realtime.recognition.scheduler import Scheduler
from qwen3_asr_realtime.server.counting import Refusal, SessionCount
from qwen3_asr_realtime.server.sampling import resident_mib


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds beyond which new sessions are refused; 0 means none.

    Attributes:
        sessions_per_key: Sessions at a time of one key, unless it has a bound of its own.
        memory_mib: Resident memory of this process, in MiB.
        queue_delay_s: Time that finals have waited for a slot lately.
    """

    sessions_per_key: int = 0
    memory_mib: int = 0
    queue_delay_s: float = 0.0


@dataclass(slots=True)
class Admission:
    """Whether one more session is admitted.

    Attributes:
        limits: The bounds.
        scheduler: Tells how long finals wait.
        count: Where sessions are counted.
        refused: How often each limit was the reason.
    """

    limits: AdmissionLimits
    scheduler: Scheduler
    count: SessionCount
    refused: Counter[str] = field(default_factory=Counter)

    async def refusal(self) -> Refusal | None:
        """The limit that would keep one more session out, or None."""
        return self._overload() or await self.count.refusal()

    @asynccontextmanager
    async def session(self, tenant: str, tenant_sessions: int | None = None) -> AsyncIterator[Refusal | None]:
        """Count a session for the length of the block, unless a limit keeps it out: then give that.

        Args:
            tenant: Whose key it shows, or "".
            tenant_sessions: How many that key may have, if it has a bound of its own; 0 means any number.
        """
        most = self.limits.sessions_per_key if tenant_sessions is None else tenant_sessions
        refusal = self._overload() or await self.count.enter(tenant, most)
        if refusal is not None:
            self.refused[refusal.limit] += 1
            yield refusal
            return
        try:
            yield None
        finally:
            self.count.leave(tenant)

    def _overload(self) -> Refusal | None:
        limits = self.limits
        if limits.queue_delay_s and self.scheduler.final_delay_s(monotonic()) > limits.queue_delay_s:
            return Refusal("MAX_QUEUE_DELAY_SEC", limits.queue_delay_s)
        if limits.memory_mib and resident_mib() > limits.memory_mib:
            return Refusal("MAX_MEMORY_MIB", limits.memory_mib)
        return None
