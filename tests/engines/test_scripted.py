import asyncio
import math

import numpy as np
import pytest

from qwen3_asr_realtime.engines import scripted
from qwen3_asr_realtime.engines.base import EngineError, Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.engines.scripted import Call, Reply, ScriptedEngine


def audio(duration_s):
    return np.zeros(int(duration_s * 16_000), np.float32)


@pytest.mark.parametrize(
    ("duration_s", "text", "language"), [(0, "", ""), (0.49, "", ""), (0.5, "w1", "en"), (1.6, "w1 w2 w3", "en")]
)
async def test_without_a_script_words_are_counted(duration_s, text, language):
    stream = ScriptedEngine().open(SegmentOptions())

    assert await stream.refresh(audio(duration_s), final=False) == Hypothesis(text, language)


async def test_calls_are_recorded():
    engine = ScriptedEngine()
    options = SegmentOptions(language="de")
    stream = engine.open(options)

    await stream.refresh(audio(1), final=False)
    await stream.refresh(audio(2), final=True, priority=Priority.FINAL)

    assert list(engine.calls) == [
        Call(16_000, False, Priority.PARTIAL, options),
        Call(32_000, True, Priority.FINAL, options),
    ]


async def test_the_script_says_what_is_heard_and_when(monkeypatch):
    slept = []

    async def sleep(delay_s):
        slept.append(delay_s)

    monkeypatch.setattr(scripted.asyncio, "sleep", sleep)
    engine = ScriptedEngine(lambda call: Reply(Hypothesis("final" if call.final else "partial"), latency_s=1.5))

    hypothesis = await engine.open(SegmentOptions()).refresh(audio(1), final=True)

    assert hypothesis.text == "final"
    assert slept == [1.5]


async def test_it_can_fail():
    engine = ScriptedEngine(lambda call: Reply(error="out of order"))

    with pytest.raises(EngineError, match="out of order"):
        await engine.open(SegmentOptions()).refresh(audio(1), final=True)


async def test_it_can_hang_until_cancelled():
    engine = ScriptedEngine(lambda call: Reply(latency_s=math.inf))
    task = asyncio.create_task(engine.open(SegmentOptions()).refresh(audio(1), final=True))

    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
