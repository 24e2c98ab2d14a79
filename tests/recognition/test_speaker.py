import pytest
from tests.recognition.hearing import HearingEngine, Reply, words
from tests.recognition.talk import Talk
from tests.recognition.virtual_time import everything_ready

from qwen3_asr_realtime.engines.base import Hypothesis
from qwen3_asr_realtime.recognition.speaker import ARRIVALS_KEPT, Arrivals


def test_audio_up_to_a_sample_had_come_with_the_piece_that_holds_it():
    arrivals = Arrivals()
    for until_sample, now_s in ((1600, 0.1), (3200, 0.2), (4800, 0.3)):
        arrivals.note(until_sample, now_s)
    assert arrivals.when(3200) == 0.2
    assert arrivals.when(3201) == 0.3
    assert arrivals.when(4801) is None


def test_only_the_last_pieces_are_remembered():
    arrivals = Arrivals()
    for piece in range(1, ARRIVALS_KEPT + 11):
        arrivals.note(piece * 320, piece / 50)
    assert arrivals.when(1) == 11 / 50


@pytest.mark.parametrize(("by_final", "expected"), [(False, ""), (True, "zh")])
async def test_the_next_segment_expects_the_language_of_the_last_final(by_final, expected):
    """A partial may have been wrong about it, or about there being words at all."""

    def hear(call):
        return Reply(hypothesis=Hypothesis("w1", "zh" if call.final == by_final else ""))

    talk = Talk(HearingEngine(hear))
    talk.start()
    await talk.say(words(2))
    talk.stop()
    await everything_ready()
    talk.start()
    talk.task.cancel()

    assert [call.final for call in talk.engine.calls] == [False, True]
    assert [options.expected for options in talk.engine.opened] == ["", expected]


async def test_what_goes_on_after_a_cut_is_expected_in_the_same_language():
    talk = Talk(HearingEngine(lambda call: Reply(hypothesis=Hypothesis("w1", "zh")), max_segment_s=4.0))
    talk.start()
    await talk.say(words(9))
    talk.task.cancel()

    assert [options.expected for options in talk.engine.opened] == ["", "zh"]
