import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.recognition.ledger import Ledger


def final_decoded(started_s, ended_s, sent_s):
    """Of speech that ended at 1 s, in a turn that ended at 1.4 s."""
    return Ledger(end_of_speech_s=1.0, decided_s=1.4, engine_started_s=started_s, engine_ended_s=ended_s, sent_s=sent_s)


def test_parts_of_a_final_decoded_after_the_decision():
    parts = Ledger(
        end_of_speech_s=1.0, decided_s=1.4, engine_started_s=1.45, engine_ended_s=1.6, sent_s=1.61
    ).parts_ms()
    assert parts == {
        "silence": pytest.approx(400),
        "queue": pytest.approx(50),
        "decode": pytest.approx(150),
        "delivery": pytest.approx(10),
        "total": pytest.approx(610),
    }


def test_a_decode_that_was_done_before_the_decision_costs_nothing():
    parts = Ledger(
        end_of_speech_s=1.0, decided_s=1.4, engine_started_s=1.15, engine_ended_s=1.3, sent_s=1.401
    ).parts_ms()
    assert (parts["silence"], parts["queue"], parts["decode"], parts["delivery"]) == pytest.approx((400, 0, 0, 1))


def test_of_one_that_was_not_done_what_is_left_counts():
    parts = final_decoded(1.15, 1.5, sent_s=1.5).parts_ms()
    assert (parts["queue"], parts["decode"]) == pytest.approx((0, 100))


def test_an_utterance_without_a_decode():
    parts = Ledger(end_of_speech_s=1.0, decided_s=1.4, sent_s=1.5).parts_ms()
    assert (parts["queue"], parts["decode"], parts["delivery"]) == pytest.approx((0, 0, 100))


@pytest.mark.parametrize("missing", ["end_of_speech_s", "decided_s", "sent_s"])
def test_no_parts_unless_all_stations_were_passed(missing):
    assert Ledger(**{"end_of_speech_s": 1.0, "decided_s": 1.4, "sent_s": 1.5, missing: None}).parts_ms() == {}


@given(st.lists(st.floats(0, 100), min_size=5, max_size=5))
def test_parts_sum_to_the_total_and_none_is_negative(times):
    spoken, decided, sent = sorted(times[:3])
    started, ended = (min(time, sent) for time in sorted(times[3:]))
    parts = Ledger(
        end_of_speech_s=spoken, decided_s=decided, engine_started_s=started, engine_ended_s=ended, sent_s=sent
    ).parts_ms()
    total = parts.pop("total")
    assert min(parts.values()) >= 0
    assert sum(parts.values()) == pytest.approx(total, abs=0.01)
