from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.samples import samples_from_ms
from qwen3_asr_realtime.vad.endpointing import (
    MAX_PREFIX_PADDING_MS,
    TRANSITIONS,
    Boundary,
    Endpointer,
    EndpointingParameters,
    Signal,
    SpeechStarted,
    SpeechStopped,
    State,
    probability_from_threshold,
    threshold_from_probability,
)
from qwen3_asr_realtime.vad.frames import BLOCK_SAMPLES, BLOCKS_PER_FRAME, FRAME_SAMPLES
from qwen3_asr_realtime.vad.sound import END_REACH_FORWARD

LOUD, QUIET = 1e-3, 1e-8
PLAIN = EndpointingParameters(prefix_padding_ms=0, silence_ms=320)


@dataclass
class Frame:
    """One frame: its probability, and which of its blocks are loud."""

    probability: float
    energies: list[float]


def frames(count: int, probability: float, energy: float) -> list[Frame]:
    return [Frame(probability, [energy] * BLOCKS_PER_FRAME) for _ in range(count)]


def speech(count: int) -> list[Frame]:
    return frames(count, 0.9, LOUD)


def silence(count: int) -> list[Frame]:
    return frames(count, 0.01, QUIET)


def run(endpointer: Endpointer, sequence: Iterable[Frame]) -> list[Boundary]:
    return [boundary for frame in sequence for boundary in endpointer.advance(frame.probability, frame.energies)]


def at(frame: float) -> int:
    """The sample at which a frame begins."""
    return int(frame * FRAME_SAMPLES)


# The scales.


@pytest.mark.parametrize(("threshold", "probability"), [(-1, 0.05), (0, 0.5), (0.2, 0.6), (0.5, 0.75), (1, 0.95)])
def test_thresholds_of_the_api_are_probabilities(threshold: float, probability: float):
    assert probability_from_threshold(threshold) == pytest.approx(probability)


@given(st.floats(0.05, 0.95))
def test_a_probability_survives_the_way_through_the_api(probability: float):
    assert probability_from_threshold(threshold_from_probability(probability)) == pytest.approx(probability)


@pytest.mark.parametrize(
    "value",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"silence_ms": 0},
        {"prefix_padding_ms": -1},
        {"prefix_padding_ms": MAX_PREFIX_PADDING_MS + 1},
        {"min_speech_ms": 2000},
        {"max_utterance_ms": 0},
    ],
)
def test_parameters_out_of_range_are_refused(value: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(value))):
        EndpointingParameters(**value)


# Starting.


def test_speech_starts_where_its_sound_does_and_stops_where_its_sound_did():
    before = [*silence(39), Frame(0.01, [QUIET, QUIET, LOUD, LOUD])]
    after = [*speech(1), Frame(0.9, [LOUD, QUIET, QUIET, QUIET]), *frames(1, 0.9, QUIET), *silence(20)]
    boundaries = run(Endpointer(PLAIN), [*before, *speech(20), *after])
    assert boundaries == [SpeechStarted(at(39.5)), SpeechStopped(at(61.25))]


def test_the_start_is_known_after_the_minimum_speech():
    endpointer = Endpointer(replace(PLAIN, min_speech_ms=160))
    assert run(endpointer, [*silence(10), *speech(4)]) == []
    assert run(endpointer, speech(1)) == [SpeechStarted(at(10))]


def test_less_than_the_minimum_speech_is_no_turn():
    click = [*speech(2), *silence(10)]
    endpointer = Endpointer(PLAIN)
    assert run(endpointer, click * 5) == []
    assert endpointer.state is State.QUIET


def test_between_the_thresholds_nothing_changes():
    parameters = replace(PLAIN, threshold=0.6, min_speech_ms=320)  # Lower threshold 0.45.
    between = frames(50, 0.5, LOUD)
    endpointer = Endpointer(parameters)
    assert run(endpointer, [*silence(10), *between]) == []
    assert run(endpointer, [*silence(10), *speech(1), *between]) == [SpeechStarted(at(70))]
    assert run(endpointer, between) == []
    assert run(endpointer, [*frames(1, 0.44, QUIET), *frames(30, 0.5, QUIET)]) == [SpeechStopped(at(171))]


@pytest.mark.parametrize(("threshold", "leave"), [(0.9, 0.75), (0.15, 0.05), (0.05, 0.05 / 3)])
def test_the_lower_threshold(threshold: float, leave: float):
    endpointer = Endpointer(replace(PLAIN, threshold=threshold))
    run(endpointer, [*silence(10), *speech(10), *frames(1, leave + 0.001, LOUD)])
    assert endpointer.state is State.SPEAKING
    run(endpointer, frames(1, leave - 0.001, LOUD))
    assert endpointer.state is State.STOPPING


def test_pre_roll_reaches_neither_into_the_last_turn_nor_before_the_session():
    endpointer = Endpointer(replace(PLAIN, prefix_padding_ms=960))
    boundaries = run(endpointer, [*silence(5), *speech(10), *silence(15), *speech(10), *silence(50), *speech(10)])
    starts = [boundary.start_sample for boundary in boundaries if isinstance(boundary, SpeechStarted)]
    assert starts == [0, at(15), at(90 - 30)]


def test_turns_start_two_seconds_before_the_voice_at_most():
    breath = frames(10, 0.01, LOUD)
    endpointer = Endpointer(replace(PLAIN, prefix_padding_ms=2000))
    assert run(endpointer, [*silence(100), *breath, *speech(5)]) == [SpeechStarted(at(110) - samples_from_ms(2000))]


def test_sound_long_before_the_voice_does_not_belong_to_it():
    hum = frames(60, 0.01, LOUD)
    started, *_ = run(Endpointer(PLAIN), [*silence(20), *hum, *silence(4), *speech(5)])
    assert started == SpeechStarted(at(84))


# Stopping.


@pytest.mark.parametrize("silence_ms", [200, 333, 400, 6000])
def test_the_decision_falls_silence_ms_after_the_end(silence_ms: int):
    endpointer = Endpointer(replace(PLAIN, silence_ms=silence_ms))
    run(endpointer, [*silence(10), *speech(20), *frames(3, 0.9, QUIET)])  # The probability falls 96 ms late.
    decided = 33
    while not run(endpointer, silence(1)):
        decided += 1
    waited = at(decided + 1) - at(30)
    assert 0 <= waited - samples_from_ms(silence_ms) < FRAME_SAMPLES


def test_the_end_is_moved_back_150_ms_at_most():
    boundaries = run(Endpointer(PLAIN), [*silence(10), *speech(20), *frames(20, 0.9, QUIET), *silence(20)])
    (end,) = [boundary.end_sample for boundary in boundaries if isinstance(boundary, SpeechStopped)]
    assert 0 <= samples_from_ms(150) - (at(50) - end) < BLOCK_SAMPLES


def test_a_turn_without_sound_still_ends_after_its_start():
    murmur = frames(3, 0.9, QUIET)
    assert run(Endpointer(PLAIN), [*silence(10), *murmur, *silence(20)]) == [
        SpeechStarted(at(10)),
        SpeechStopped(at(11)),
    ]


def test_sound_after_the_voice_belongs_to_it_while_it_goes_on():
    breath = frames(5, 0.01, LOUD)
    no_breath = frames(6, 0.01, LOUD)
    plosive = [*silence(3), Frame(0.01, [LOUD, QUIET, QUIET, QUIET])]
    too_late = [*silence(4), *frames(1, 0.01, LOUD)]
    for tail, end in ((breath, 35), (no_breath, 30), (plosive, 33.25), (too_late, 30)):
        boundaries = run(Endpointer(PLAIN), [*silence(10), *speech(20), *tail, *silence(30)])
        assert boundaries[1:] == [SpeechStopped(at(end))]


def test_a_noise_that_sets_in_does_not_hold_the_turn_open():
    noise = frames(100, 0.01, LOUD / 30)
    endpointer = Endpointer(PLAIN)
    run(endpointer, [*silence(10), *speech(20)])
    decided = 1
    while not (boundaries := run(endpointer, noise[:1])):
        decided += 1
    assert boundaries == [SpeechStopped(at(30))]
    assert at(decided) == samples_from_ms(PLAIN.silence_ms) > END_REACH_FORWARD  # it does not even delay the decision
    # The background is known now: the next turn does not wait for it.
    run(endpointer, [*noise, *speech(20)])
    assert run(endpointer, noise[:10]) == [SpeechStopped(at(30 + decided + 100 + 20))]


def test_speech_that_resumes_goes_on_with_the_turn():
    endpointer = Endpointer(PLAIN)
    run(endpointer, [*silence(10), *speech(10), *silence(8)])
    assert endpointer.silence_samples == at(8)
    assert run(endpointer, speech(1)) == []
    assert endpointer.silence_samples == 0
    assert run(endpointer, silence(20)) == [SpeechStopped(at(29))]
    assert endpointer.silence_samples == 0


# Too long.


def test_a_long_turn_is_cut_at_the_best_pause_of_its_end():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=32_000))
    early_pause = [Frame(0.4, [QUIET] * 4)]
    pause = [Frame(0.62, [LOUD, LOUD / 2, LOUD / 100, LOUD])]
    worse = [Frame(0.71, [QUIET] * 4)]
    first = [*speech(500), *early_pause, *speech(300), *pause, *speech(50), *worse, *speech(146)]
    assert run(endpointer, first) == [SpeechStarted(0)]
    cut = at(801.5) + BLOCK_SAMPLES // 2
    assert endpointer.keep_from <= cut
    assert run(endpointer, speech(1)) == [SpeechStopped(cut, goes_on=True), SpeechStarted(cut)]
    assert run(endpointer, [*speech(10), *silence(20)]) == [SpeechStopped(at(1010))]


def test_what_has_been_given_away_is_not_cut_off_again():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=32_000))
    best, second = [Frame(0.6, [QUIET] * 4)], [Frame(0.7, [QUIET] * 4)]
    run(endpointer, [*speech(800), *best, *speech(50), *second, *speech(100), *best])
    endpointer.no_cut_before(at(801))
    cut = at(952) + BLOCK_SAMPLES // 2
    assert run(endpointer, speech(47)) == [SpeechStopped(cut, goes_on=True), SpeechStarted(cut)]


def test_a_turn_that_may_be_cut_nowhere_waits_for_a_place():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=3200))
    run(endpointer, speech(95))
    endpointer.no_cut_before(at(102))
    assert run(endpointer, speech(7)) == []
    (stopped, _) = run(endpointer, speech(1))
    assert at(102) <= stopped.end_sample <= at(103)


def test_a_cut_leaves_at_least_half_of_a_short_turn():
    early_pause = [Frame(0.4, [QUIET] * 4)]
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=6400))
    _, stopped, _ = run(endpointer, [*speech(90), *early_pause, *speech(110)])
    assert stopped.end_sample >= at(100)


def test_a_turn_that_begins_with_a_cut_ends_after_it():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=3200))
    *_, started = run(endpointer, [*frames(99, 0.9, QUIET), *frames(1, 0.6, QUIET)])
    (stopped,) = run(endpointer, silence(20))
    assert started.start_sample < stopped.end_sample


def test_a_long_turn_ends_in_the_silence_it_is_in():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=3200, silence_ms=6000))
    assert run(endpointer, [*speech(90), *silence(10)]) == [SpeechStarted(0), SpeechStopped(at(90))]
    assert endpointer.state is State.QUIET


# Flushing.


@pytest.mark.parametrize(
    ("sequence", "end"),
    [
        (silence(10), None),
        ([*silence(10), *speech(2)], None),
        ([*silence(10), *speech(3)], at(13) + 100),
        ([*silence(10), *speech(10), *silence(5)], at(20)),
    ],
)
def test_flush_ends_an_open_turn(sequence: list[Frame], end: int | None):
    endpointer = Endpointer(PLAIN)
    run(endpointer, sequence)
    expected = [] if end is None else [SpeechStopped(end)]
    assert endpointer.flush(at(len(sequence)) + 100) == expected
    assert endpointer.flush(at(len(sequence)) + 100) == []
    assert endpointer.state is State.QUIET


def test_speech_that_goes_on_after_a_flush_is_a_turn_that_starts_there():
    endpointer = Endpointer(replace(PLAIN, prefix_padding_ms=300))
    run(endpointer, [*silence(10), *speech(10)])
    assert endpointer.flush(at(20) + 100) == [SpeechStopped(at(20) + 100)]
    assert run(endpointer, speech(5)) == [SpeechStarted(at(20) + 100)]


# Changed parameters.


def test_new_parameters_apply_from_the_next_turn():
    endpointer = Endpointer(PLAIN)
    run(endpointer, [*silence(50), *speech(10)])
    endpointer.parameters = replace(PLAIN, threshold=0.95, silence_ms=960, prefix_padding_ms=320)
    assert run(endpointer, silence(10)) == [SpeechStopped(at(60))]
    assert run(endpointer, speech(10)) == []  # 0.9 is not enough any more.
    assert run(endpointer, [*silence(10), *frames(3, 0.96, LOUD)]) == [SpeechStarted(at(90 - 10))]
    assert run(endpointer, silence(29)) == []
    assert run(endpointer, silence(1)) == [SpeechStopped(at(93))]


def test_new_parameters_apply_to_the_turn_that_begins_with_a_cut():
    endpointer = Endpointer(replace(PLAIN, max_utterance_ms=1600))
    run(endpointer, speech(10))
    endpointer.parameters = replace(PLAIN, silence_ms=960)
    assert len(run(endpointer, speech(40))) == 2
    assert run(endpointer, [*speech(100), *silence(29)]) == []


def test_parameters_changed_while_quiet_apply_at_once_but_not_to_audio_that_is_gone():
    endpointer = Endpointer(PLAIN)
    run(endpointer, silence(100))
    kept = endpointer.keep_from
    endpointer.parameters = replace(PLAIN, prefix_padding_ms=1000)
    assert run(endpointer, speech(5)) == [SpeechStarted(kept)]


def test_parameters_changed_while_starting_apply_at_once():
    endpointer = Endpointer(replace(PLAIN, min_speech_ms=960))
    run(endpointer, [*silence(10), *speech(5)])
    endpointer.parameters = PLAIN
    assert run(endpointer, speech(1)) == [SpeechStarted(at(10))]


def test_more_pre_roll_does_not_reach_audio_that_was_given_up_in_a_long_silence():
    endpointer = Endpointer(replace(PLAIN, silence_ms=3200))
    run(endpointer, speech(10))
    endpointer.parameters = replace(PLAIN, prefix_padding_ms=1000)
    run(endpointer, silence(99))
    kept = endpointer.keep_from
    assert run(endpointer, silence(1)) == [SpeechStopped(at(10))]
    (started,) = run(endpointer, speech(3))
    assert started.start_sample >= kept


# Whatever comes.

some_frames = st.lists(
    st.tuples(
        st.integers(1, 60), st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.99]), st.sampled_from([0.0, QUIET, 1e-6, LOUD])
    ),
    max_size=12,
)
some_parameters = st.builds(
    EndpointingParameters,
    threshold=st.sampled_from([0.05, 0.3, 0.5, 0.95]),
    silence_ms=st.integers(1, 1500),
    prefix_padding_ms=st.integers(0, MAX_PREFIX_PADDING_MS),
    min_speech_ms=st.integers(0, 400),
    max_utterance_ms=st.integers(1000, 5000),
)


@given(
    some_parameters, some_frames, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 511)), max_size=3), st.data()
)
def test_turns_are_in_order_whole_and_bounded(
    parameters: EndpointingParameters,
    runs: list[tuple[int, float, float]],
    flushes: list[tuple[int, int]],
    data: st.DataObject,
):
    endpointer = Endpointer(parameters)
    flush_after = dict(flushes)
    start: int | None = None
    last_end = kept = 0
    sequence = [frame for count, probability, energy in runs for frame in frames(count, probability, energy)]
    for index, frame in enumerate(sequence):
        position = at(index + 1)
        boundaries = endpointer.advance(frame.probability, frame.energies)
        if index in flush_after:
            position += flush_after[index]
            boundaries += endpointer.flush(position)
            if data.draw(st.booleans()):
                endpointer.parameters = data.draw(some_parameters)
        for boundary in boundaries:
            match boundary:
                case SpeechStarted(start_sample):
                    assert start is None
                    assert kept <= start_sample
                    assert last_end <= start_sample < position
                    start = start_sample
                case SpeechStopped(end_sample):
                    assert start is not None
                    assert start < end_sample <= position
                    assert end_sample - start <= samples_from_ms(5000) + 2 * FRAME_SAMPLES
                    start, last_end = None, end_sample
        assert (start is not None) == (endpointer.state in {State.SPEAKING, State.STOPPING})
        assert kept <= endpointer.keep_from
        kept = endpointer.keep_from


def test_every_state_is_reached_and_left():
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State) == set(TRANSITIONS)
    assert {signal for row in TRANSITIONS.values() for signal in row} == set(Signal)
