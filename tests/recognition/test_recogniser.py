import asyncio

from tests.recognition.hearing import HearingEngine, Reply, text, words
from tests.recognition.talk import CADENCE, Talk
from tests.recognition.virtual_time import everything_ready

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
