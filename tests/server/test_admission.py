import math

import pytest

from qwen3_asr_realtime.recognition.limit import ConcurrencyLimit
from qwen3_asr_realtime.recognition.scheduler import Scheduler
from qwen3_asr_realtime.server import admission as module
from qwen3_asr_realtime.server.admission import Admission, AdmissionLimits
from qwen3_asr_realtime.server.counting import LocalCount, Refusal


def admission(sessions: int = 3, **limits: float) -> Admission:
    return Admission(AdmissionLimits(**limits), Scheduler(ConcurrencyLimit(2, math.inf)), LocalCount(sessions))


async def reason(of: Admission, tenant: str = "") -> str | None:
    async with of.session(tenant) as refusal:
        return refusal and refusal.limit


async def test_so_many_sessions_and_no_more() -> None:
    door = admission()
    async with door.session("a"), door.session("b"):
        assert await reason(door) is None
        async with door.session("a"):
            assert await reason(door) == "MAX_SESSIONS"
            assert await door.refusal() == Refusal("MAX_SESSIONS", 3)
        assert await reason(door) is None
        assert await door.refusal() is None
    assert door.refused == {"MAX_SESSIONS": 1}
    assert isinstance(door.count, LocalCount)
    assert (door.count.sessions, door.count.tenants) == (0, {})


async def test_so_many_of_one_key() -> None:
    door = admission(sessions_per_key=1)
    async with door.session("a"):
        assert await reason(door, "a") == "MAX_SESSIONS_PER_KEY"
        assert await reason(door, "b") is None
    assert await reason(door, "a") is None


async def test_a_key_may_have_a_bound_of_its_own() -> None:
    door = admission(sessions_per_key=1)
    async with door.session("a"), door.session("a", 2) as second, door.session("a", 2) as third:
        assert second is None
        assert third == Refusal("MAX_SESSIONS_PER_KEY", 2)
        async with door.session("a", 0) as fourth:
            assert fourth is None


async def test_sessions_without_a_key_are_not_one_tenant() -> None:
    door = admission(sessions_per_key=1)
    async with door.session(""), door.session(""):
        assert await reason(door, "") is None


async def test_none_while_finals_wait_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    door = admission(queue_delay_s=0.5)
    now_s = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now_s)
    for _ in range(20):
        door.scheduler.note_delay(1.0, now_s)
    assert await reason(door) == "MAX_QUEUE_DELAY_SEC"
    for _ in range(20):
        door.scheduler.note_delay(0.0, now_s)
    assert await reason(door) is None


async def test_a_wait_of_long_ago_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    door = admission(queue_delay_s=0.5)
    for _ in range(20):
        door.scheduler.note_delay(1.0, 1000.0)
    monkeypatch.setattr(module, "monotonic", lambda: 1010.0)
    assert await reason(door) is None


async def test_none_beyond_a_bound_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    door = admission(memory_mib=100)
    monkeypatch.setattr(module, "resident_mib", lambda: 101.0)
    assert await reason(door) == "MAX_MEMORY_MIB"
    monkeypatch.setattr(module, "resident_mib", lambda: 99.0)
    assert await reason(door) is None


def test_memory_is_measured() -> None:
    assert 20 < module.resident_mib() < 4000


def test_a_client_is_told_when_to_try_again() -> None:
    refusal = Refusal("MAX_SESSIONS", 0)
    assert "Try again in 5 seconds" in refusal.message
