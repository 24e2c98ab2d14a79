"""Which frames share a call of the model, and that nothing but the cost depends on it. The model's calls
last until they are told to end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Semaphore

import numpy as np

from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.vad.batching import BATCH_MAX, BURST_INTERVAL_S, FrameBatcher
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, FRAMES_MAX, Frames, SileroModel, SileroState

TIMEOUT_S = 10


def frames_for(calls: int) -> Frames:
    return Frames(np.zeros(CONTEXT_SAMPLES + calls * FRAMES_MAX * FRAME_SAMPLES, np.float32), SileroState())


class Stage:
    """A batcher whose calls the test sees begin, and ends."""

    def __init__(self, model: SileroModel | None = None) -> None:
        self.delivered: SimpleQueue[tuple[list[Frames], Exception | None]] = SimpleQueue()
        self._model = model
        self._began: SimpleQueue[list[Frames]] = SimpleQueue()
        self._may_end = Semaphore(0)
        self._errors: SimpleQueue[Exception] = SimpleQueue()
        self.batcher = FrameBatcher(self, lambda *delivery: self.delivered.put(delivery))  # type: ignore[arg-type]

    def judge(self, batch: list[Frames]) -> None:
        self._began.put(list(batch))
        assert self._may_end.acquire(timeout=TIMEOUT_S)
        if not self._errors.empty():
            raise self._errors.get()
        if self._model is not None:
            self._model.judge(batch)
        else:
            for frames in batch:
                frames.probabilities += [0.5] * min(frames.left, FRAMES_MAX)

    def call(self) -> list[Frames]:
        """The frames of the call that has begun."""
        return self._began.get(timeout=TIMEOUT_S)

    def end_call(self, error: Exception | None = None) -> None:
        if error is not None:
            self._errors.put(error)
        self._may_end.release()

    def end_all_calls(self) -> None:
        self._may_end.release(10_000)


@contextmanager
def stage(model: SileroModel | None = None) -> Iterator[Stage]:
    stage = Stage(model)
    with stage.batcher:
        try:
            yield stage
        finally:
            stage.end_all_calls()


def test_bursts_of_calls_are_some_time_apart():
    with stage() as s:
        before_s = time.monotonic()  # and not at the first call, which the test may see late
        for _ in range(3):
            s.batcher.submit(frames_for(2))
            for _ in range(2):
                s.call()
                began_s = time.monotonic()
                s.end_call()
            s.delivered.get(timeout=TIMEOUT_S)
        assert began_s - before_s >= 2 * BURST_INTERVAL_S - 1e-6


def test_a_frame_that_finds_the_model_idle_is_judged_soon_and_alone():
    with stage() as s:
        for _ in range(2):
            s.batcher.submit(alone := frames_for(1))
            assert s.call() == [alone]
            s.end_call()
            assert s.delivered.get(timeout=TIMEOUT_S) == ([alone], None)


def test_whoever_comes_during_a_call_is_in_the_next_one():
    with stage() as s:
        s.batcher.submit(frames_for(1))
        s.call()
        waiting = [frames_for(1) for _ in range(5)]
        for frames in waiting:
            s.batcher.submit(frames)
        s.end_call()
        assert s.call() == waiting


def test_a_file_at_full_speed_takes_one_place_in_each_call_and_holds_nobody_up():
    with stage() as s:
        s.batcher.submit(file := frames_for(100))
        for _ in range(3):
            assert file in s.call()
            s.batcher.submit(live := frames_for(1))
            s.end_call()
            assert s.call() == [live, file]
            s.end_call()
            assert s.delivered.get(timeout=TIMEOUT_S) == ([live], None)


def test_a_call_has_a_greatest_size_and_takes_the_longest_waiting_first():
    with stage() as s:
        s.batcher.submit(first := frames_for(2))
        s.call()
        waiting = [frames_for(1) for _ in range(BATCH_MAX + 3)]
        for frames in waiting:
            s.batcher.submit(frames)
        s.end_call()
        assert s.call() == waiting[:BATCH_MAX]
        s.batcher.submit(late := frames_for(1))
        s.end_call()
        assert s.call() == [*waiting[BATCH_MAX:], first, late]


def test_frames_are_delivered_in_one_piece_when_the_last_of_them_is_judged():
    with stage() as s:
        s.batcher.submit(frames_for(1))
        s.call()
        short, long = [frames_for(2) for _ in range(3)], frames_for(4)
        for frames in (*short, long):
            s.batcher.submit(frames)
        s.end_all_calls()
        s.delivered.get(timeout=TIMEOUT_S)
        assert s.delivered.get(timeout=TIMEOUT_S) == (short, None)
        assert s.delivered.get(timeout=TIMEOUT_S) == ([long], None)
        assert [len(frames.probabilities) for frames in (*short, long)] == [2 * FRAMES_MAX] * 3 + [4 * FRAMES_MAX]


def test_a_call_that_fails_is_repeated_for_each_and_fails_only_with_whom_it_fails_alone():
    with stage() as s:
        s.batcher.submit(bad := frames_for(3))
        s.call()
        s.batcher.submit(good := frames_for(3))
        s.end_call()
        assert s.call() == [good, bad]
        s.batcher.submit(other := frames_for(1))
        s.end_call(RuntimeError("something is wrong"))
        assert s.call() == [good]
        s.end_call()
        assert s.call() == [bad]
        s.end_call(error := RuntimeError("this is wrong"))
        assert s.delivered.get(timeout=TIMEOUT_S) == ([bad], error)
        assert s.call() == [other, good]
        s.end_call()
        assert s.delivered.get(timeout=TIMEOUT_S) == ([other], None)


def test_abandoned_frames_take_no_place_in_a_call():
    with stage() as s:
        s.batcher.submit(gone := frames_for(50))
        s.call()
        gone.abandoned = True
        s.end_call()
        s.batcher.submit(frames := frames_for(1))
        assert s.call() == [frames]


def test_ending_does_not_wait_for_what_is_still_to_be_judged():
    with stage() as s:
        s.batcher.submit(file := frames_for(1_000))
        s.call()
        s.end_all_calls()
    assert file.left


def test_probabilities_are_those_of_single_calls_to_the_last_bit(model: SileroModel, clips: dict[str, Samples]):
    streams = [clip[begin : begin + CONTEXT_SAMPLES + count * FRAME_SAMPLES]
               for clip, begin, count in zip(clips.values(), range(0, 9000, 1000), (140, 3, 17, 90, 1, 25, 9, 33, 140),
                                             strict=True)]  # fmt: skip
    alone = [Frames(stream, SileroState()) for stream in streams]
    together = [Frames(stream, SileroState()) for stream in streams]
    for frames in alone:
        while frames.left:
            model.judge([frames])
    with stage(model) as s:
        for frames in together[:3]:
            s.batcher.submit(frames)
        sizes = {len(s.call())}
        for frames in together[3:]:  # these join when others are under way
            s.batcher.submit(frames)
        s.end_all_calls()
        left = len(together)
        while left:
            delivered, error = s.delivered.get(timeout=TIMEOUT_S)
            assert error is None
            left -= len(delivered)
        while not s._began.empty():
            sizes.add(len(s.call()))
    assert max(sizes) >= 8
    for one, other in zip(alone, together, strict=True):
        assert one.probabilities == other.probabilities
        assert np.array_equal(one.state.recurrent, other.state.recurrent)
