"""What an utterance does when the engine fails, hangs or breaks, and when it is cancelled itself."""

import asyncio
import math

import pytest
from structlog.testing import capture_logs
from tests.recognition.hearing import BROKEN, HANGING, HearingEngine, Reply, only, text, words
from tests.recognition.talk import CADENCE, Talk, other_decode
from tests.recognition.virtual_time import everything_ready

from qwen3_asr_realtime.engines.base import EngineError, Priority
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.samples import SAMPLE_RATE


class TestFaults:
    async def test_a_failed_partial_is_harmless(self):
        talk = Talk(HearingEngine(lambda call: BROKEN if call.n_samples == SAMPLE_RATE else Reply()))
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await talk.finish()

        assert talk.engine.calls[0].ended == "failed"
        assert (talk.utterance.ledger.errors, talk.utterance.ledger.timeouts) == (1, 0)
        assert (talk.previews[0].text, talk.previews[0].stash) == ("", text(1, 3))
        assert talk.transcript == text(1, 4)

    async def test_a_partial_that_hangs_is_given_up(self):
        hanging = Reply(latency_s=math.inf, stopping_s=0.3)
        talk = Talk(HearingEngine(lambda call: hanging if call.n_samples == SAMPLE_RATE else Reply()))
        talk.start()
        await talk.say(words(24))

        hung, next_ = talk.engine.calls[:2]
        assert hung.ended == "cancelled"
        assert next_.began_s == pytest.approx(hung.began_s + CADENCE.timeout_s + hanging.stopping_s)
        assert talk.engine.most_running == 1
        assert talk.previews != []
        assert (talk.utterance.ledger.errors, talk.utterance.ledger.timeouts) == (0, 1)

    async def test_a_failed_final_is_tried_once_more(self):
        replies = iter([BROKEN, Reply()])
        talk = Talk(HearingEngine(lambda call: next(replies) if call.final else Reply()))
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await talk.finish()

        assert [call.ended for call in talk.engine.finals] == ["failed", "answered"]
        assert talk.transcript == text(1, 4)

    async def test_a_final_that_hangs_is_tried_once_more_and_then_fails(self):
        talk = Talk(HearingEngine(only("final", HANGING)))
        talk.start()
        talk.add(words(4))
        talk.stop()
        await talk.finish()

        assert [(call.began_s, call.ended) for call in talk.engine.finals] == [
            (pytest.approx(0), "cancelled"),
            (pytest.approx(10), "cancelled"),
        ]
        assert asyncio.get_running_loop().time() == pytest.approx(20)
        assert talk.ends == [("failed", "server_error", "Recognition failed.")]
        assert talk.utterance.ledger.timeouts == 2
        talk.assert_nothing_left()

    async def test_fails_only_once_it_is_finished(self):
        """Before, its item is not committed; and a last partial is never passed off as a final."""
        talk = Talk(HearingEngine(only("final", BROKEN)))
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await asyncio.sleep(5)
        assert talk.ends == []
        talk.start()
        await talk.say(words(4, first=5))
        talk.stop()
        await asyncio.sleep(5)
        assert talk.ends == []
        await talk.finish()

        assert talk.ends == [("failed", "server_error", "Recognition failed.")]
        assert len(talk.engine.finals) == 2
        assert not any("w5" in call.text for call in talk.engine.calls)
        talk.assert_nothing_left()

    async def test_a_failure_holds_nobody_up(self):
        """What waits behind it will not be recognised any more; the client could never commit were it still counted."""
        talk = Talk(
            HearingEngine(only("final", Reply(latency_s=1, error=EngineError("x")))), backlog=Backlog(SAMPLE_RATE)
        )
        talk.start()
        talk.add(words(120))
        assert talk.backlog.amount > 30 * SAMPLE_RATE
        async with asyncio.timeout(60):
            await talk.backlog.room()

        talk.add(words(120, first=121))
        assert talk.backlog.amount == 0
        talk.stop()
        await talk.finish()
        talk.assert_nothing_left()

    async def test_a_recording_that_is_sent_at_once_keeps_no_speaker_waiting(self):
        """Its sentences wait behind what others say, and others' finals are still begun early."""
        talk = Talk(HearingEngine(), backlog=Backlog(10 * SAMPLE_RATE))
        talk.start()
        talk.add(words(12))
        talk.stop()
        async with other_decode(talk.scheduler):
            talk.utterance.finish()
            await everything_ready()
            assert talk.scheduler.waiting == 1
            assert not talk.scheduler.finals_wait
        await talk.task
        assert talk.transcript == text(1, 12)
        assert [call.priority for call in talk.engine.finals] == [Priority.RECORDING]

    @pytest.mark.parametrize(("kind", "end"), [("partial", "completed"), ("final", "failed")])
    async def test_a_defect_of_the_engine_harms_no_more_than_a_failure_and_is_not_hidden(self, kind, end):
        defect = ZeroDivisionError("defect")
        talk = Talk(HearingEngine(only(kind, Reply(error=defect))))
        talk.start()
        with capture_logs() as logs:
            await talk.say(words(4))
            talk.stop()
            await talk.finish()

        assert [how for how, *_ in talk.ends] == [end]
        assert defect in [line.get("exc_info") for line in logs if line["log_level"] == "error"]
        talk.assert_nothing_left()


class TestCancellation:
    @pytest.mark.parametrize("kind", ["partial", "final"])
    @pytest.mark.parametrize("state", ["waiting for a slot", "decoding", "between decodes", "failed"])
    async def test_gives_everything_back(self, kind, state):
        reply = {"decoding": Reply(latency_s=math.inf, stopping_s=0.3), "failed": BROKEN}.get(state, Reply())
        talk = Talk(HearingEngine(only(kind, reply)))
        talk.start()
        async with other_decode(talk.scheduler):
            await talk.say(words(4))
            if kind == "final":
                talk.stop()
            await everything_ready()
            if state == "waiting for a slot":
                assert talk.scheduler.waiting == 1
                talk.task.cancel()
                await everything_ready()
        await everything_ready()
        talk.task.cancel()
        await asyncio.gather(talk.task, return_exceptions=True)

        assert talk.task.cancelled()
        assert talk.ends == []
        talk.assert_nothing_left()
