from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.line import SWEEP_ARRIVALS, Claim, WaitingLine

PRIORITIES = st.sampled_from(Priority)


def claim(priority=Priority.PARTIAL, tenant="", deadline_s=0.0):
    return Claim(tenant, priority, deadline_s)


def order(line):
    """Everybody, each served in no time."""
    keys = []
    while (key := line.next()) is not None:
        keys.append(key)
    return keys


def test_first_come_first_served():
    line = WaitingLine()
    for key in "abc":
        line.join(key, claim())

    assert len(line) == 3
    assert order(line) == ["a", "b", "c"]
    assert len(line) == 0


def test_the_more_urgent_go_first():
    line = WaitingLine()
    for priority in sorted(Priority, reverse=True):
        line.join(priority, claim(priority))

    assert line.count(Priority.FINAL) == 1
    *urgent, recording, partial = order(line)
    assert urgent == [Priority.FINAL, Priority.SPECULATIVE_FINAL, Priority.FIRST_PARTIAL]
    assert (recording, partial) == (Priority.RECORDING, Priority.PARTIAL)  # alike, and it came first


def test_recordings_may_be_left_out():
    line = WaitingLine()
    line.join("recording", claim(Priority.RECORDING))
    line.join("partial", claim())

    assert line.next(recordings=False) == "partial"
    assert line.next(recordings=False) is None
    assert line.next() == "recording"


def test_then_the_earlier_deadline():
    line = WaitingLine()
    line.join("late", claim(deadline_s=2))
    line.join("soon", claim(deadline_s=1))

    assert order(line) == ["soon", "late"]


def test_a_claim_may_become_more_urgent():
    line, second = WaitingLine(), claim()
    line.join("a", claim())
    line.join("b", second)
    second.priority = Priority.FINAL

    assert order(line) == ["b", "a"]


def test_leaving():
    line = WaitingLine()
    line.join("a", claim())
    line.join("b", claim())
    line.leave("a")
    line.leave("nobody")

    assert order(line) == ["b"]


class TestFairness:
    @given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=2), st.integers(50, 200))
    def test_tenants_that_always_wait_get_the_same_time(self, sessions, rounds):
        """However many sessions they have, and however long the decodes of each are."""
        line, served_s = WaitingLine(), Counter()
        lengths_s = {tenant: 0.1 * number for number, tenant in enumerate(sessions, 1)}
        for tenant, count in sessions.items():
            for number in range(count):
                line.join((tenant, number), claim(tenant=tenant))
        for _ in range(rounds):
            key = tenant, _ = line.next()
            served_s[tenant] += lengths_s[tenant]
            line.join(key, claim(tenant=tenant))  # comes back before it is done with, as the next update does
            line.done(tenant, lengths_s[tenant])

        assert max(served_s.values()) - min(served_s[tenant] for tenant in sessions) <= 2 * max(lengths_s.values())

    def test_who_was_away_gets_no_credit_for_it(self):
        line = WaitingLine()
        for _ in range(100):
            line.join("busy", claim(tenant="busy"))
            line.next()
            line.done("busy", 1.0)
        turns = []
        for number in range(6):
            line.join(f"busy {number}", claim(tenant="busy"))
            line.join(f"new {number}", claim(tenant="new"))
        for _ in range(6):
            key = line.next()
            turns.append(key.split()[0])
            line.done(turns[-1], 1.0)

        assert Counter(turns) == {"busy": 3, "new": 3}

    def test_nor_who_comes_back(self):
        line = WaitingLine()
        line.join("first", claim(tenant="returning"))
        line.next()
        line.done("returning", 0.1)
        for _ in range(100):
            line.join("busy", claim(tenant="busy"))
            line.next()
            line.done("busy", 1.0)
        turns = []
        for number in range(6):
            line.join(f"busy {number}", claim(tenant="busy"))
            line.join(f"returning {number}", claim(tenant="returning"))
        for _ in range(6):
            turns.append(line.next().split()[0])
            line.done(turns[-1], 1.0)

        assert Counter(turns) == {"busy": 3, "returning": 3}

    def test_urgency_goes_before_fairness(self):
        line = WaitingLine()
        line.join("x", claim(tenant="greedy"))
        line.next()
        line.done("greedy", 100.0)
        line.join("partial", claim(tenant="modest"))
        line.join("final", claim(Priority.FINAL, tenant="greedy"))

        assert order(line) == ["final", "partial"]

    def test_tenants_are_forgotten(self):
        line = WaitingLine()
        for number in range(10 * SWEEP_ARRIVALS):
            line.join(number, claim(tenant=f"tenant {number}"))
            line.next()
            line.done(f"tenant {number}", 1.0 + number % 3)

        assert len(line._tenants) <= 2 * SWEEP_ARRIVALS


@given(st.lists(st.tuples(st.sampled_from(["join", "hurry", "leave"]), st.integers(0, 5), PRIORITIES)))
def test_everybody_comes_out_once_and_by_priority(steps):
    line, waiting = WaitingLine(), {}
    for step, key, priority in steps:
        match step:
            case "join" if key not in waiting:
                waiting[key] = claim(priority, tenant=str(key % 2))
                line.join(key, waiting[key])
            case "hurry" if key in waiting:
                waiting[key].priority = min(waiting[key].priority, priority)
            case "leave":
                line.leave(key)
                waiting.pop(key, None)

    out = order(line)

    assert sorted(out) == sorted(waiting)
    ranks = {key: min(its.priority, Priority.PARTIAL) for key, its in waiting.items()}  # recordings rank with partials
    assert [ranks[key] for key in out] == sorted(ranks.values())
