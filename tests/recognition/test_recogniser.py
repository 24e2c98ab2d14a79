import asyncio

from tests.recognition.hearing import HearingEngine, Reply, text, words
from tests.recognition.talk import CADENCE, Talk
from tests.recognition.virtual_time import everything_ready

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.recognition.recogniser import Recogniser


async def test_all_utterances_share_the_engine_s_slots():
    engine = HearingEngine(lambda call: Reply(latency_s=1), concurrency=2)
    recogniser = Recogniser(engine, CADENCE)
    talks = [Talk(engine, recogniser) for _ in range(3)]
    for first, talk in zip((1, 11, 21), talks, strict=True):
        talk.start()
        talk.add(words(4, first))
        talk.stop()
        talk.utterance.finish()
    await everything_ready()
    assert (recogniser.scheduler.running, recogniser.scheduler.waiting) == (2, 1)

    await asyncio.gather(*(talk.task for talk in talks))

    assert [talk.transcript for talk in talks] == [text(1, 4), text(11, 14), text(21, 24)]
    assert engine.most_running == 2
    assert engine.open_streams == 0


async def test_a_partial_that_gave_its_slot_to_a_final_is_counted():
    engine = HearingEngine(lambda call: Reply(latency_s=1 if call.final else 5), concurrency=1)
    recogniser = Recogniser(engine, CADENCE)
    speaking, done = Talk(engine, recogniser), Talk(engine, recogniser)
    speaking.start()
    speaking.add(words(4))
    await everything_ready()
    assert [call.final for call in engine.calls] == [False]

    done.start()
    done.add(words(4, 11))
    done.stop()
    await done.finish()

    assert speaking.utterance.ledger.given_up == 1
    assert done.utterance.ledger.given_up == 0
    speaking.stop()
    await speaking.finish()


async def test_every_decode_is_told_of():
    seen = []
    engine = HearingEngine(lambda call: Reply(latency_s=1))
    recogniser = Recogniser(engine, CADENCE, observe=lambda *what: seen.append(what))
    talk = Talk(engine, recogniser)
    talk.start()
    talk.add(words(4))
    talk.stop()
    await talk.finish()

    assert seen == [(Priority.FINAL, 0.0, 1.0)]
