import asyncio
import math

import numpy as np
import pytest
from tests.recognition.hearing import BROKEN, HANGING, HearingEngine, Reply, silence, text, words
from tests.recognition.talk import other_decode, speculating
from tests.recognition.virtual_time import everything_ready

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.utterance import TAIL_SAMPLES
from qwen3_asr_realtime.samples import SAMPLE_RATE


async def hold(scheduler):
    async with other_decode(scheduler):
        pass


class TestSpeculation:
    async def test_the_final_is_there_when_the_turn_ends(self):
        talk = speculating(HearingEngine(lambda call: Reply(latency_s=0.2)))
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(0.4), piece_s=0.02)
        talk.stop()
        await talk.finish()

        assert talk.transcript == text(1, 4)
        [final] = talk.engine.finals
        assert (final.priority, final.use_prefix) == (Priority.SPECULATIVE_FINAL, False)
        assert final.n_samples == int(1.9 * SAMPLE_RATE) + TAIL_SAMPLES
        assert (talk.ledger.parts_ms()["queue"], talk.ledger.parts_ms()["decode"]) == (0, 0)
        assert talk.ledger.parts_ms()["silence"] == pytest.approx(400, abs=21)
        assert talk.ledger.speculative
        talk.assert_nothing_left()

    async def test_begins_as_soon_as_all_is_there_that_a_final_hears(self):
        talk = speculating(HearingEngine())
        talk.start()
        await talk.say(words(4)[:-1600])
        ended_s = asyncio.get_running_loop().time()
        await talk.say(silence(0.3), piece_s=0.01)

        [final] = talk.engine.finals
        assert final.began_s - ended_s == pytest.approx(TAIL_SAMPLES / SAMPLE_RATE, abs=0.011)

    async def test_speech_that_goes_on_makes_it_a_partial(self):
        talk = speculating(HearingEngine())
        talk.start()
        await talk.say(words(4))
        await talk.say(silence(0.2))
        await talk.say(words(4, first=5))
        talk.stop()
        await talk.finish()

        assert [call.text for call in talk.engine.finals] == [text(1, 4), text(1, 8)]
        assert any(shown.text + shown.stash == text(1, 4) for shown in talk.previews)
        assert talk.transcript == text(1, 8)
        assert not talk.ledger.speculative

    async def test_once_for_each_silence(self):
        talk = speculating(HearingEngine())
        talk.start()
        for first in (1, 5, 9):
            await talk.say(words(4, first=first))
            await talk.say(silence(1.5))

        assert [call.text for call in talk.engine.finals] == [text(1, 4), text(1, 8), text(1, 12)]

    async def test_that_is_under_way_when_the_turn_ends_is_awaited(self):
        talk = speculating(HearingEngine(lambda call: Reply(latency_s=0.5 if call.final else 0)))
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(0.4))
        talk.stop()
        await talk.finish()

        assert len(talk.engine.finals) == 1
        assert 100 < talk.ledger.parts_ms()["decode"] < 300
        assert talk.transcript == text(1, 4)

    async def test_takes_the_place_of_a_partial_under_way(self):
        talk = speculating(HearingEngine(lambda call: Reply(latency_s=0 if call.final else 1.0)))
        talk.start()
        await talk.say(words(2)[:-1600])
        await talk.say(silence(0.2))

        assert [(call.final, call.ended) for call in talk.engine.calls] == [(False, "cancelled"), (True, "answered")]

    async def test_not_while_somebody_s_final_waits(self):
        talk = speculating(HearingEngine())
        talk.start()
        await talk.say(words(4)[:-1600])
        async with other_decode(talk.scheduler):
            other = asyncio.create_task(hold(talk.scheduler))
            await talk.say(silence(0.4))
            assert talk.scheduler.waiting == 1
        await other
        assert talk.engine.finals == []

    async def test_gives_its_slot_to_a_final(self):
        talk = speculating(HearingEngine(lambda call: HANGING if call.final else Reply()))
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(0.2))
        assert talk.scheduler.running == 1
        async with other_decode(talk.scheduler):
            await everything_ready()
            assert [call.ended for call in talk.engine.finals] == ["cancelled"]
        await talk.say(silence(0.4))
        assert len(talk.engine.finals) == 1

    @pytest.mark.parametrize("ending_s", [0, 0.4])
    async def test_a_preview_that_gave_up_its_slot_comes_later_though_no_audio_follows(self, ending_s):
        """As in Manual mode, where a client may send a recording and look at the preview before it commits."""
        latencies_s = iter([math.inf, 0, 0])
        talk = speculating(HearingEngine(lambda call: Reply(latency_s=next(latencies_s))))
        talk.start()
        talk.add(np.concatenate((words(4), silence(ending_s))))
        await everything_ready()
        assert talk.scheduler.running == 1
        async with other_decode(talk.scheduler):
            await everything_ready()
        await asyncio.sleep(1)

        assert [shown.text + shown.stash for shown in talk.previews] == [text(1, 4)]

    async def test_that_fails_costs_nothing(self):
        replies = iter([BROKEN, Reply()])
        talk = speculating(HearingEngine(lambda call: next(replies) if call.final else Reply()))
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(0.4))
        talk.stop()
        await talk.finish()

        assert talk.transcript == text(1, 4)

    async def test_a_commit_of_what_was_decoded_to_its_end_needs_no_decode(self):
        """As in Manual mode, where somebody lets go of the key some time after the last word."""
        talk = speculating(HearingEngine())
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(1.0))
        talk.stop()
        before = len(talk.engine.calls)
        await talk.finish()

        assert len(talk.engine.calls) == before
        assert talk.transcript == text(1, 4)

    async def test_a_file_sent_at_once_needs_none(self):
        talk = speculating(HearingEngine())
        talk.start()
        talk.add(np.concatenate((words(4), silence(1))))
        talk.stop()
        await talk.finish()

        assert [call.priority for call in talk.engine.calls] == [Priority.FINAL]
