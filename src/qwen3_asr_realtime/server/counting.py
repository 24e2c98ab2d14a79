"""The count of sessions that limits are held against: of this process, or of all workers together."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

RETRY_AFTER_S = 5
"""What a refused client is told to wait: utterances end and sessions close within seconds."""


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


class SessionCount(Protocol):
    """Where sessions are counted."""

    async def enter(self, tenant: str, tenant_sessions: int) -> Refusal | None:
        """Count one more session, unless a limit is reached.

        Args:
            tenant: Whose it is, or "" for nobody in particular.
            tenant_sessions: How many that one may have; 0 means any number.
        """

    def leave(self, tenant: str) -> None:
        """A session that was counted has ended."""

    async def refusal(self) -> Refusal | None:
        """The limit that would keep a session of nobody in particular out, or None. Nothing is counted."""


class LocalCount:
    """The count itself.

    Attributes:
        limit: Sessions at a time.
        sessions: Those there are.
        tenants: The same of each tenant.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.sessions = 0
        self.tenants: Counter[str] = Counter()

    def add(self, tenant: str, tenant_sessions: int) -> Refusal | None:
        """See `SessionCount.enter`."""
        if self.sessions >= self.limit:
            return Refusal("MAX_SESSIONS", self.limit)
        if tenant and tenant_sessions and self.tenants[tenant] >= tenant_sessions:
            return Refusal("MAX_SESSIONS_PER_KEY", tenant_sessions)
        self.sessions += 1
        self.tenants[tenant] += 1
        return None

    async def enter(self, tenant: str, tenant_sessions: int) -> Refusal | None:
        """See `SessionCount`."""
        return self.add(tenant, tenant_sessions)

    def leave(self, tenant: str) -> None:
        """See `SessionCount`."""
        self.sessions -= 1
        self.tenants[tenant] -= 1
        if not self.tenants[tenant]:
            del self.tenants[tenant]

    async def refusal(self) -> Refusal | None:
        """See `SessionCount`."""
        return Refusal("MAX_SESSIONS", self.limit) if self.sessions >= self.limit else None
