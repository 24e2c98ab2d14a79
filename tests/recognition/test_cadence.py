import pytest

from qwen3_asr_realtime.recognition.cadence import Cadence

CADENCE = Cadence(first_s=1.0, idle_s=0.5, busy_s=2.0, timeout_s=10.0)


@pytest.mark.parametrize(
    ("load", "interval_s"), [(0, 0.5), (0.5, 0.5), (0.75, 1.25), (1, 2), (1.5, 3), (3, 6), (4, 8), (100, 8)]
)
def test_partials_thin_out_under_load(load, interval_s):
    assert CADENCE.interval_s(load) == pytest.approx(interval_s)


def test_busy_is_never_more_often_than_idle():
    assert Cadence(first_s=1, idle_s=3, busy_s=2, timeout_s=10).interval_s(1) == 3
