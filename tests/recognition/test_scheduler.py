import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recognition.virtual_time import everything_ready, run

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.scheduler import Scheduler, WaitingLine

PRIORITIES = st.sampled_from(Priority)


def order(line):
    keys = []
    while (key := line.next()) is not None:
        keys.append(key)
    return keys


class TestWaitingLine:
    def test_first_come_first_served(self):
        line = WaitingLine()
        for key in "abc":
            line.join(key, Priority.PARTIAL)

        assert len(line) == 3
        assert order(line) == ["a", "b", "c"]
        assert len(line) == 0

    def test_the_more_urgent_go_first(self):
        line = WaitingLine()
        line.join("partial", Priority.PARTIAL)
        line.join("first", Priority.FIRST_PARTIAL)
        line.join("final", Priority.FINAL)

        assert order(line) == ["final", "first", "partial"]

    def test_hurrying_goes_behind_those_who_are_as_urgent(self):
        line = WaitingLine()
        line.join("a", Priority.PARTIAL)
        line.join("b", Priority.PARTIAL)
        line.join("c", Priority.FINAL)
        line.hurry("b", Priority.FINAL)

        assert order(line) == ["c", "b", "a"]

    @pytest.mark.parametrize("priority", [Priority.FIRST_PARTIAL, Priority.PARTIAL])
    def test_nobody_loses_a_place_by_hurrying(self, priority):
        line = WaitingLine()
        line.join("a", Priority.FIRST_PARTIAL)
        line.join("b", Priority.FIRST_PARTIAL)
        line.hurry("a", priority)

        assert order(line) == ["a", "b"]

    def test_hurrying_without_waiting_is_not_joining(self):
        line = WaitingLine()
        line.hurry("a", Priority.FINAL)

        assert line.next() is None

    def test_leaving(self):
        line = WaitingLine()
        line.join("a", Priority.FINAL)
        line.join("b", Priority.FINAL)
        line.leave("a")
        line.leave("nobody")

        assert order(line) == ["b"]

    @given(st.lists(st.tuples(st.sampled_from(["join", "hurry", "leave"]), st.integers(0, 5), PRIORITIES)))
    def test_everybody_comes_out_once_and_by_priority(self, steps):
        line, waiting = WaitingLine(), {}
        for step, key, priority in steps:
            match step:
                case "join" if key not in waiting:
                    line.join(key, priority)
                    waiting[key] = priority
                case "hurry":
                    line.hurry(key, priority)
                    if key in waiting:
                        waiting[key] = min(waiting[key], priority)
                case "leave":
                    line.leave(key)
                    waiting.pop(key, None)

        out = order(line)

        assert sorted(out) == sorted(waiting)
        assert [waiting[key] for key in out] == sorted(waiting.values())


class Worker:
    """Somebody who wants a slot, holds it for a while, and says what happens."""

    def __init__(self, scheduler, name="", priority=Priority.PARTIAL, hold_s=1.0, diary=None):
        self.turn = scheduler.turn()
        self.held = False
        self.task = asyncio.create_task(self.work(scheduler, name, priority, hold_s, [] if diary is None else diary))

    async def work(self, scheduler, name, priority, hold_s, diary):
        async with scheduler.slot(self.turn, priority):
            self.held = True
            diary.append(name)
            try:
                await asyncio.sleep(hold_s)
            finally:
                self.held = False


class TestScheduler:
    async def test_no_more_than_the_slots_at_a_time(self):
        scheduler, diary = Scheduler(2), []
        for name in "abc":
            Worker(scheduler, name, diary=diary)
        await everything_ready()

        assert (diary, scheduler.running, scheduler.waiting, scheduler.busy) == (["a", "b"], 2, 1, True)
        await asyncio.sleep(1)
        assert (diary, scheduler.running, scheduler.waiting, scheduler.busy) == (["a", "b", "c"], 1, 0, False)
        await asyncio.sleep(1)
        assert (scheduler.running, scheduler.waiting) == (0, 0)

    async def test_a_final_goes_before_partials_that_have_waited_longer(self):
        scheduler, diary = Scheduler(1), []
        for name, priority in (
            ("running", Priority.PARTIAL),
            ("partial", Priority.PARTIAL),
            ("first", Priority.FIRST_PARTIAL),
            ("final", Priority.FINAL),
        ):
            Worker(scheduler, name, priority, diary=diary)
        await asyncio.sleep(5)

        assert diary == ["running", "final", "first", "partial"]

    async def test_a_turn_can_be_hurried_while_it_waits(self):
        scheduler, diary = Scheduler(1), []
        workers = [Worker(scheduler, name, diary=diary) for name in ("running", "a", "b")]
        await everything_ready()
        workers[2].turn.hurry(Priority.FINAL)
        await asyncio.sleep(5)

        assert diary == ["running", "b", "a"]

    async def test_hurrying_a_turn_that_runs_changes_nothing(self):
        scheduler = Scheduler(1)
        worker = Worker(scheduler)
        await everything_ready()
        worker.turn.hurry(Priority.FINAL)

        assert (scheduler.running, scheduler.waiting) == (1, 0)

    async def test_cancelled_while_waiting(self):
        scheduler, diary = Scheduler(1), []
        _, given_up, next_ = (Worker(scheduler, name, diary=diary) for name in ("running", "given up", "next"))
        await everything_ready()
        given_up.task.cancel()
        await asyncio.sleep(1.5)

        assert diary == ["running", "next"]
        assert next_.held
        assert given_up.task.cancelled()

    async def test_cancelled_while_holding(self):
        scheduler, diary = Scheduler(1), []
        running, next_ = (Worker(scheduler, name, diary=diary) for name in ("running", "next"))
        await everything_ready()
        running.task.cancel()
        await everything_ready()

        assert next_.held
        assert (scheduler.running, scheduler.waiting) == (1, 0)

    async def test_cancelled_in_the_moment_of_being_granted(self):
        """The slot is already taken for it, though it has not run yet."""
        scheduler, diary = Scheduler(1), []
        running, granted, next_ = (Worker(scheduler, name, diary=diary) for name in ("running", "granted", "next"))
        await everything_ready()
        running.task.cancel()
        await asyncio.sleep(0)
        assert granted.turn.granted.is_set()
        granted.task.cancel()
        await everything_ready()

        assert diary == ["running", "next"]
        assert next_.held
        assert scheduler.running == 1

    async def test_an_error_of_the_holder_frees_the_slot(self):
        scheduler = Scheduler(1)
        with pytest.raises(ValueError, match="broken"):
            async with scheduler.slot(scheduler.turn(), Priority.FINAL):
                raise ValueError("broken")

        assert scheduler.running == 0

    @settings(deadline=None)
    @given(
        slots=st.integers(1, 3),
        steps=st.lists(
            st.tuples(st.just("come"), PRIORITIES, st.sampled_from([0, 0.5, 1, 3]))
            | st.tuples(st.sampled_from(["cancel", "hurry"]), PRIORITIES, st.integers(0, 9))
            | st.tuples(st.just("wait"), PRIORITIES, st.sampled_from([0, 0.5, 1])),
            max_size=25,
        ),
    )
    def test_whatever_happens_slots_are_used_and_come_back(self, slots, steps):
        async def scenario():
            scheduler, workers = Scheduler(slots), []
            for step, priority, number in steps:
                match step:
                    case "come":
                        workers.append(Worker(scheduler, priority=priority, hold_s=number))
                    case "wait":
                        await asyncio.sleep(number)
                    case "cancel" if workers:
                        workers[number % len(workers)].task.cancel()
                    case "hurry" if workers:
                        workers[number % len(workers)].turn.hurry(priority)
                assert scheduler.running <= slots
                assert sum(worker.held for worker in workers) <= scheduler.running
                assert scheduler.busy or scheduler.waiting == 0
            await asyncio.gather(*(worker.task for worker in workers), return_exceptions=True)
            assert (scheduler.running, scheduler.waiting) == (0, 0)

        run(scenario())
