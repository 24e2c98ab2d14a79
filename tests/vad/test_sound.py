from qwen3_asr_realtime.samples import samples_from_ms
from qwen3_asr_realtime.vad.frames import BLOCKS_PER_FRAME, FRAME_SAMPLES
from qwen3_asr_realtime.vad.sound import END_REACH_FORWARD, ONSET_REACH, SoundTrace

ROOM, SPEECH = 1e-8, 1e-3


def trace(*runs: tuple[int, float]) -> SoundTrace:
    """A trace that has heard runs of so many frames of an energy."""
    sound = SoundTrace(samples_from_ms(1600))
    hear(sound, *runs)
    return sound


def hear(sound: SoundTrace, *runs: tuple[int, float]) -> None:
    for count, energy in runs:
        for _ in range(count):
            sound.hear([energy] * BLOCKS_PER_FRAME)


def at(frame: int) -> int:
    return frame * FRAME_SAMPLES


def test_sound_is_10_db_louder_than_the_background():
    assert trace((40, ROOM), (2, 9 * ROOM), (3, 3e-5)).onset(at(42)) == at(42)
    assert trace((40, ROOM), (2, 11 * ROOM), (3, 3e-5)).onset(at(42)) == at(40)


def test_an_onset_is_less_than_45_db_quieter_than_the_loudest_of_the_turn():
    assert trace((40, 0), (2, SPEECH * 2e-5), (3, SPEECH)).onset(at(42)) == at(42)
    assert trace((40, 0), (2, SPEECH * 5e-5), (3, SPEECH)).onset(at(42)) == at(40)


def test_a_bang_before_the_turn_does_not_count_as_its_loudest():
    assert trace((20, 0), (1, 1), (20, 0), (2, SPEECH * 5e-5), (3, SPEECH)).onset(at(43)) == at(41)


def test_without_a_background_speech_begins_with_the_voice():
    assert trace((5, SPEECH)).onset(at(2)) == at(2)


def test_the_onset_has_a_bounded_reach():
    sound = trace((20, 0), (30, SPEECH))
    assert 0 <= sound.onset(at(47)) - (at(47) - ONSET_REACH) < FRAME_SAMPLES


def test_noise_that_a_gate_lets_through_belongs_to_the_turn():
    noise = SPEECH / 300
    sound = trace((40, 0), (5, noise), (10, SPEECH))
    assert sound.onset(at(45)) == at(40)
    hear(sound, (40, noise), (5, SPEECH), (4, noise))  # The noise is all that the last second had for a background.
    assert sound.end(at(100)) == at(104)
    hear(sound, (3, 0))
    assert sound.end(at(100)) == at(104)


def test_the_end_is_less_than_30_db_quieter_than_the_loudest_of_the_turn():
    for after, end in ((SPEECH / 800, 52), (SPEECH / 1200, 50)):
        sound = trace((40, 0), (10, SPEECH), (2, after), (5, 0))
        assert sound.onset(at(40)) == at(40)
        assert sound.end(at(50)) == at(end)


def test_a_background_that_has_risen_is_learnt_once():
    noise = SPEECH / 300
    sound = trace((40, ROOM), (10, SPEECH))
    assert sound.onset(at(40)) == at(40)
    reach = END_REACH_FORWARD // FRAME_SAMPLES
    hear(sound, (reach, noise))
    assert sound.end(at(50)) == at(50 + reach)
    hear(sound, (1, noise))
    assert sound.end(at(50)) == at(50)
    hear(sound, (20, noise), (10, SPEECH), (1, noise))  # The same turn goes on.
    assert sound.end(at(81 + reach)) == at(81 + reach)
