"""Who decodes next: pure policy, without a clock and without asyncio, so that it can be tried in virtual time.

Most urgent first (`Priority`); among the equally urgent, the tenant that has been served least; within a tenant, the
earliest deadline. A tenant is an API key, or a connection where there are none. Fairness is start-time fair queuing
(Goyal, Vin and Cheng, 1996) over seconds of decoding: who was away gets no credit for it.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from qwen3_asr_realtime.engines.base import Priority

KeyT = TypeVar("KeyT")
_RECORDING = Priority.RECORDING

SWEEP_ARRIVALS = 256
"""After so many arrivals of others it is forgotten what somebody had who is away: connections come and go."""


@dataclass(slots=True)
class Claim:
    """What somebody who waits is entitled to; it may become more urgent meanwhile.

    Attributes:
        tenant: On whose account.
        priority: How urgent it is.
        deadline_s: When it should be done, on the caller's clock.
    """

    tenant: str
    priority: Priority
    deadline_s: float


@dataclass(slots=True)
class _Tenant:
    served_s: float
    present: int = 0  # claims that wait or are being served
    left_at: int = 0  # arrivals by the time there was none


@dataclass(slots=True)
class WaitingLine(Generic[KeyT]):
    """The claims that wait, and what each tenant has had."""

    _waiting: dict[KeyT, tuple[Claim, int]] = field(default_factory=dict)
    _tenants: dict[str, _Tenant] = field(default_factory=dict)
    _arrivals: int = 0
    _swept_at: int = 0
    _floor_s: float = 0.0  # what the tenant served last had had by then

    def __len__(self) -> int:
        return len(self._waiting)

    def count(self, priority: Priority) -> int:
        """How many wait that are as urgent."""
        return sum(claim.priority is priority for claim, _ in self._waiting.values())

    def join(self, key: KeyT, claim: Claim) -> None:
        """Begin to wait. The tenant's account stays open until `leave` or `done`."""
        self._arrivals += 1
        self._waiting[key] = (claim, self._arrivals)
        tenant = self._tenants.setdefault(claim.tenant, _Tenant(self._floor_s))
        if not tenant.present:
            tenant.served_s = max(tenant.served_s, self._floor_s)
        tenant.present += 1

    def leave(self, key: KeyT) -> None:
        """Give up waiting; nothing happens if the key does not wait."""
        if key in self._waiting:
            claim, _ = self._waiting.pop(key)
            self._go(claim.tenant, 0.0)

    def next(self, *, recordings: bool = True) -> KeyT | None:
        """Take out who is next, or None if nobody waits; `done` has to follow.

        Args:
            recordings: Whether recordings count as waiting.
        """
        waiting = (key for key, (claim, _) in self._waiting.items() if recordings or claim.priority is not _RECORDING)
        key = min(waiting, key=self._rank, default=None)
        if key is None:
            return None
        claim, _ = self._waiting.pop(key)
        self._floor_s = max(self._floor_s, self._tenants[claim.tenant].served_s)
        return key

    def done(self, tenant: str, service_s: float) -> None:
        """Somebody that `next` gave has been served for so long."""
        self._go(tenant, service_s)

    # Private.

    def _rank(self, key: KeyT) -> tuple[Priority, float, float, int]:
        claim, arrival = self._waiting[key]
        # Recordings and partials share alike, or many speakers would stop a recording altogether.
        return min(claim.priority, Priority.PARTIAL), self._tenants[claim.tenant].served_s, claim.deadline_s, arrival

    def _go(self, tenant_name: str, service_s: float) -> None:
        tenant = self._tenants[tenant_name]
        tenant.served_s += service_s
        tenant.present -= 1
        if not tenant.present:
            tenant.left_at = self._arrivals
        if self._arrivals - self._swept_at >= SWEEP_ARRIVALS:
            gone = [
                name
                for name, other in self._tenants.items()
                if not other.present and self._arrivals - other.left_at >= SWEEP_ARRIVALS
            ]
            for name in gone:
                del self._tenants[name]
            self._swept_at = self._arrivals
