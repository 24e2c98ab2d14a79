import pytest
from tests.load.material import conversation, item_events, recording

from qwen3_asr_realtime.load.figures import Spread
from qwen3_asr_realtime.load.limits import judge
from qwen3_asr_realtime.load.measuring import Run, compared, measure
from qwen3_asr_realtime.load.session import SessionLog, Spoken

RECORDINGS = [recording("a.wav", transcript="one two three"), recording("b.wav", transcript="four five")]


def run(*logs, turns=(1.0,), server=None):
    spoken = conversation(*turns, recordings=RECORDINGS)
    return Run(RECORDINGS, [spoken] * len(logs), logs, wall_s=30.0, processes=1, server=server)


def log(*items, spoken=1, **fields):
    """A session in which utterances began every four seconds, and whose items are lists of events."""
    return SessionLog(
        0,
        connect_ms=5.0,
        sent_ms=30_000,
        spoken=[Spoken(1.2 + 4 * turn, 2.8 + 4 * turn) for turn in range(spoken)],
        received=[event for events in items for event in events],
        late_ms=[1, 2],
        **fields,
    )


def test_delays_count_from_the_recording_s_speech_and_not_from_the_server_s_view_of_it():
    previews = [(1.5, "", ""), (2.0, "one", ""), (2.5, "one", " two")]
    item = item_events("a", 0.9, 2.9, "one two three", final_s=3.5, previews=previews)
    stage = measure(run(log(item)))
    assert stage.first_partial_ms.p50 == pytest.approx(800)
    assert stage.final_ms.p50 == pytest.approx(700)
    assert stage.decision_to_final_ms.p50 == pytest.approx(200)
    assert stage.end_offset_ms.p50 == pytest.approx(100)
    assert stage.partial_interval_ms.max == pytest.approx(500)
    assert (stage.utterances, stage.lost, stage.wer, stage.cer) == (1, 0, 0.0, 0.0)


def test_an_utterance_without_text_is_lost_whether_or_not_there_is_a_final():
    empty = item_events("a", 1.0, 2.8, "", final_s=3.3)
    stage = measure(run(log(empty, spoken=2), log(spoken=2), turns=(1.0, 5.0)))
    assert (stage.utterances, stage.lost) == (4, 4)
    assert stage.wer == 1.0


def test_what_was_not_said_to_its_end_is_not_lost():
    assert measure(run(log(spoken=1), turns=(1.0, 5.0))).lost == 1


def test_what_an_interruption_left_without_an_answer_is_not_lost():
    item = item_events("a", 1.0, 2.8, "one two three", final_s=3.3)
    stage = measure(run(log(item, spoken=2, interrupted=True), turns=(1.0, 5.0)))
    assert (stage.utterances, stage.lost, stage.interrupted) == (1, 0, True)


def test_splits_merges_and_strays_are_told_apart():
    merged = item_events("a", 1.0, 6.8, "one two three one two three", final_s=7.3)
    split = [
        item_events("b", 9.1, 9.8, "one", final_s=10.0),
        item_events("c", 9.9, 10.8, "two three", final_s=11.3),
    ]
    stray = item_events("d", 20.0, 21.0, "hum", final_s=21.5)
    stage = measure(run(log(merged, *split, stray, spoken=3), turns=(1.0, 5.0, 9.0)))
    assert (stage.splits, stage.merges, stage.strays, stage.lost, stage.duplicates) == (1, 1, 1, 0, 0)
    assert stage.wer == 0.0
    assert stage.final_ms.max == pytest.approx(500)


def test_broken_sessions_are_errors():
    assert measure(run(log(failure="gone"), log(failure="gone"))).errors == {"gone": 2}


@pytest.mark.parametrize("name", ["sent", "total"])
def test_the_server_s_own_times_are_held_against_the_client_s_from_the_same_end_of_speech(name):
    """The server sees the end 100 ms after the true one: its 370 ms are 470 ms from there."""
    item = item_events("a", 1.0, 2.9, "one", final_s=3.3, x_trace={name: 370.0, "queue": 12.0})
    trace = measure(run(log(item))).trace
    assert trace.stations_ms == {name: 370.0, "queue": 12.0}
    assert trace.difference_median_ms == trace.difference_max_ms == pytest.approx(30)
    assert measure(run(log())).trace is None


def test_the_server_s_cpu_time_is_given_for_each_second_of_audio():
    assert measure(run(log(), log(), server=(6.0, 200.0))).server.cpu_s_per_audio_s == 0.1


def test_the_increase_compares_each_recording_with_itself():
    """Three in three words were wrong alone; one more recording under load makes it worse, the mixture does not."""
    bad = item_events("a", 1.0, 2.8, "x x x", final_s=3.3)
    good = item_events("a", 1.0, 2.8, "one two three", final_s=3.3)
    alone = measure(run(log(bad), log(good)))
    assert compared(alone, alone).wer_increase == 0.0
    assert compared(measure(run(log(good))), alone).wer_increase == -0.5
    elsewhere = Run([recording("c.wav", transcript="six")], [conversation(1.0)], [log(bad)], 30.0, 1, None)
    assert compared(measure(elsewhere), alone).wer_increase is None


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 1, 1, 1)), (2, (1, 2, 2, 2)), (100, (50, 95, 99, 100)), (1000, (500, 950, 990, 1000))],
)
def test_percentiles_are_values_that_were_measured(count, expected):
    spread = Spread.of([float(value) for value in range(count, 0, -1)])
    assert (spread.p50, spread.p95, spread.p99, spread.max) == expected


def test_the_worst_stage_decides():
    alone, together = measure(run(log(spoken=0))), measure(run(log(), log()))
    assert [verdict.within for verdict in judge([alone, together], {"max-lost": 2, "max-duplicates": 0})] == [
        True,
        True,
    ]
    (verdict,) = judge([alone, together], {"max-lost": 1})
    assert (verdict.worst, verdict.within) == (2, False)


def test_without_a_stage_nothing_is_within_its_limit():
    (verdict,) = judge([], {"max-lost": 0})
    assert (verdict.worst, verdict.within) == (None, False)


def test_what_was_not_measured_is_not_within_its_limit():
    heard = measure(run(log(item_events("a", 1.0, 2.8, "one", final_s=3.3))))
    (verdict,) = judge([heard, measure(run(log()))], {"max-final-p95-ms": 1000})
    assert (verdict.worst, verdict.within) == (None, False)
