import math

import pytest

from qwen3_asr_realtime.recognition.load import HORIZON_S, MeanLoad


def test_a_level_that_stays_becomes_the_mean():
    load = MeanLoad()
    load.note(2.0, 10.0)
    assert load.mean(10.0) == 0
    assert load.mean(10.0 + HORIZON_S) == pytest.approx(2 * (1 - 1 / math.e))
    assert load.mean(100.0) == pytest.approx(2.0)


def test_one_that_comes_and_goes_gives_its_share_of_the_time():
    load = MeanLoad()
    for step in range(1000):
        load.note(2.0 * (step % 4 == 0), step * 0.01)
    assert load.mean(10.0) == pytest.approx(0.5, abs=0.02)


def test_it_does_not_depend_on_how_often_it_is_noted():
    often, seldom = MeanLoad(), MeanLoad()
    for load, times in ((often, (1.0, 1.3, 1.9, 2.0)), (seldom, (1.0,))):
        for now_s in times:
            load.note(3.0, now_s)
    assert often.mean(4.0) == pytest.approx(seldom.mean(4.0))
