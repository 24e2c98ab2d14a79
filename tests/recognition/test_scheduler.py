import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recognition.virtual_time import everything_ready, run

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.limit import ConcurrencyLimit
from qwen3_asr_realtime.recognition.line import Claim
from qwen3_asr_realtime.recognition.scheduler import Scheduler

PRIORITIES = st.sampled_from(Priority)


def scheduler_with(slots, **options):
    return Scheduler(ConcurrencyLimit(slots, math.inf), **options)


class Worker:
    """Somebody who wants a slot, holds it for a while, and says what happens."""

    def __init__(self, scheduler, name="", priority=Priority.PARTIAL, *, hold_s=1.0, diary=None, stays=False):
        self.gave_up = asyncio.Event()
        self.stays = stays
        self.turn = scheduler.turn(Claim("", priority, 0.0), self.give_up)
        self.held = False
        self.task = asyncio.create_task(self.work(scheduler, name, hold_s, [] if diary is None else diary))

    def give_up(self):
        if not self.stays:
            self.gave_up.set()
        return not self.stays

    async def work(self, scheduler, name, hold_s, diary):
        async with scheduler.slot(self.turn):
            self.held = True
            diary.append(name)
            try:
                async with asyncio.timeout(hold_s):
                    await self.gave_up.wait()
            except TimeoutError:
                pass
            finally:
                self.held = False


class TestScheduler:
    async def test_no_more_than_the_slots_at_a_time(self):
        scheduler, diary = scheduler_with(2), []
        for name in "abc":
            Worker(scheduler, name, diary=diary)
        await everything_ready()

        assert (diary, scheduler.running, scheduler.waiting) == (["a", "b"], 2, 1)
        await asyncio.sleep(1)
        assert (diary, scheduler.running, scheduler.waiting) == (["a", "b", "c"], 1, 0)
        await asyncio.sleep(1)
        assert (scheduler.running, scheduler.waiting) == (0, 0)

    async def test_tells_of_each_turn_how_long_it_waited_and_ran(self):
        seen = []
        scheduler = scheduler_with(1, observe=lambda *what: seen.append(what))
        Worker(scheduler, priority=Priority.FINAL, hold_s=2.0)
        Worker(scheduler, priority=Priority.PARTIAL, hold_s=3.0)
        gone = Worker(scheduler)
        await everything_ready()
        gone.task.cancel()  # it never had a slot
        await asyncio.sleep(10)

        assert seen == [(Priority.FINAL, 0.0, 2.0), (Priority.PARTIAL, 2.0, 3.0)]

    async def test_a_final_goes_before_partials_that_have_waited_longer(self):
        scheduler, diary = scheduler_with(1), []
        for name, priority in (
            ("running", Priority.FINAL),
            ("partial", Priority.PARTIAL),
            ("first", Priority.FIRST_PARTIAL),
            ("final", Priority.FINAL),
        ):
            Worker(scheduler, name, priority, diary=diary)
        await asyncio.sleep(5)

        assert diary == ["running", "final", "first", "partial"]

    async def test_a_turn_can_be_hurried_while_it_waits(self):
        scheduler, diary = scheduler_with(1), []
        workers = [Worker(scheduler, name, diary=diary) for name in ("running", "a", "b")]
        await everything_ready()
        workers[2].turn.hurry(Priority.FIRST_PARTIAL)
        await asyncio.sleep(5)

        assert diary == ["running", "b", "a"]

    async def test_hurrying_a_turn_that_runs_changes_nothing(self):
        scheduler = scheduler_with(1)
        worker = Worker(scheduler)
        await everything_ready()
        worker.turn.hurry(Priority.FINAL)

        assert (scheduler.running, scheduler.waiting) == (1, 0)

    @pytest.mark.parametrize("priority", [Priority.PARTIAL, Priority.FIRST_PARTIAL, Priority.SPECULATIVE_FINAL])
    async def test_what_is_not_final_gives_its_slot_to_what_is(self, priority):
        scheduler, diary = scheduler_with(2), []
        Worker(scheduler, "final", Priority.FINAL, diary=diary)
        tentative = Worker(scheduler, "tentative", priority, diary=diary)
        await everything_ready()
        Worker(scheduler, "another final", Priority.FINAL, diary=diary)
        await everything_ready()

        assert tentative.gave_up.is_set()
        assert diary == ["final", "tentative", "another final"]

    async def test_a_final_takes_a_slot_that_nobody_has_begun_to_use(self):
        scheduler, diary = scheduler_with(1), []
        first, second = (scheduler.turn(Claim("", Priority.FINAL, 0.0)) for _ in range(2))
        async with scheduler.slot(first):
            partial = Worker(scheduler, "partial", Priority.PARTIAL, diary=diary)
            await everything_ready()
        assert partial.turn.granted.is_set()  # but it has not run since
        async with scheduler.slot(second):
            diary.append("final")
        await asyncio.sleep(0.5)

        assert diary == ["final", "partial"]
        assert not partial.gave_up.is_set()

    async def test_the_least_urgent_gives_up_and_no_more_of_them_than_needed(self):
        scheduler = scheduler_with(3)
        speculation, partial, first = (
            Worker(scheduler, priority=priority)
            for priority in (Priority.SPECULATIVE_FINAL, Priority.PARTIAL, Priority.FIRST_PARTIAL)
        )
        await everything_ready()
        Worker(scheduler, priority=Priority.FINAL)
        await everything_ready()

        assert [worker.gave_up.is_set() for worker in (speculation, partial, first)] == [False, True, False]

    async def test_of_equals_the_newest_gives_up(self):
        scheduler = scheduler_with(5)
        workers = [Worker(scheduler) for _ in range(5)]
        await everything_ready()
        for _ in range(2):
            Worker(scheduler, priority=Priority.FINAL)
        await everything_ready()

        assert [worker.gave_up.is_set() for worker in workers] == [False, False, False, True, True]

    async def test_who_cannot_give_up_is_not_counted_on(self):
        scheduler = scheduler_with(2)
        Worker(scheduler, priority=Priority.PARTIAL, stays=True)
        speculation = Worker(scheduler, priority=Priority.SPECULATIVE_FINAL)
        await everything_ready()
        Worker(scheduler, priority=Priority.FINAL)
        await everything_ready()

        assert speculation.gave_up.is_set()

    async def test_a_turn_that_runs_and_is_final_by_now_does_not_give_up(self):
        scheduler = scheduler_with(1)
        running = Worker(scheduler, priority=Priority.SPECULATIVE_FINAL)
        await everything_ready()
        running.turn.hurry(Priority.FINAL)
        Worker(scheduler, priority=Priority.FINAL)
        await everything_ready()

        assert not running.gave_up.is_set()

    @pytest.mark.parametrize(("slots", "at_most"), [(1, 1), (2, 1), (3, 2)])
    async def test_recordings_leave_a_slot_to_speakers(self, slots, at_most):
        scheduler = scheduler_with(slots)
        recordings = [Worker(scheduler, priority=Priority.RECORDING, stays=True) for _ in range(5)]
        await everything_ready()
        assert sum(worker.held for worker in recordings) == at_most

        assert scheduler.load(None, 0.0) == at_most / slots
        await asyncio.sleep(4.5 / at_most)
        assert all(worker.task.done() or worker.held for worker in recordings)

    async def test_slots_follow_the_limit(self):
        scheduler = Scheduler(ConcurrencyLimit(8, target_s=0.5))
        for _ in range(60):
            Worker(scheduler, priority=Priority.FINAL, hold_s=1.0)
        await asyncio.sleep(5)
        assert scheduler.running == scheduler.limit.slots < 8

    async def test_cancelled_while_waiting(self):
        scheduler, diary = scheduler_with(1), []
        _, given_up, next_ = (Worker(scheduler, name, diary=diary) for name in ("running", "given up", "next"))
        await everything_ready()
        given_up.task.cancel()
        await asyncio.sleep(1.5)

        assert diary == ["running", "next"]
        assert next_.held
        assert given_up.task.cancelled()

    async def test_cancelled_while_holding(self):
        scheduler, diary = scheduler_with(1), []
        running, next_ = (Worker(scheduler, name, diary=diary) for name in ("running", "next"))
        await everything_ready()
        running.task.cancel()
        await everything_ready()

        assert next_.held
        assert (scheduler.running, scheduler.waiting) == (1, 0)

    async def test_cancelled_in_the_moment_of_being_granted(self):
        """The slot is already taken for it, though it has not run yet."""
        scheduler, diary = scheduler_with(1), []
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
        scheduler = scheduler_with(1)
        with pytest.raises(ValueError, match="broken"):
            async with scheduler.slot(scheduler.turn(Claim("", Priority.FINAL, 0.0))):
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
            scheduler, workers = scheduler_with(slots), []
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
                assert scheduler.running == slots or scheduler.speakers_wait == 0
            await asyncio.gather(*(worker.task for worker in workers), return_exceptions=True)
            assert (scheduler.running, scheduler.waiting) == (0, 0)

        run(scenario())
