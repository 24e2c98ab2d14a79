"""Many sessions on one engine, in virtual time: hours of talk in seconds."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.engines.base import EngineError, EngineInfo, EngineStatus, Hypothesis, SegmentOptions
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.cadence import Cadence
from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.samples import SAMPLE_RATE

CADENCE = Cadence(first_s=1.0, idle_s=0.5, busy_s=2.0, timeout_s=10.0)
PIECE_S = 0.25
SILENCE_S = 0.5
VOICE = np.ones(int(PIECE_S * SAMPLE_RATE), np.float32)
NO_VOICE = np.zeros(int(SILENCE_S * SAMPLE_RATE), np.float32)


class SlowEngine:
    """Each decode takes `service_s` at a slot; some fail.

    Attributes:
        busy_s: Time spent on each tenant's decodes.
        finals, tentative: How many of each ended.
        most_running: The most at a time.
    """

    def __init__(self, service_s, slots, failing=0.0, seed=0):
        self.info = EngineInfo("slow", "slow", None, max_segment_s=15.0, concurrency=slots)
        self.status = EngineStatus()
        self.service_s, self.failing, self.random = service_s, failing, random.Random(seed)
        self.busy_s, self.running, self.most_running = Counter(), 0, 0
        self.decodes = Counter()

    async def start(self): ...

    async def stop(self): ...

    def open(self, options):
        return SlowStream(self, options.context)


class SlowStream:
    def __init__(self, engine, tenant):
        self.engine, self.tenant = engine, tenant

    async def refresh(self, audio, *, final, priority, **_):
        engine = self.engine
        engine.running += 1
        engine.most_running = max(engine.most_running, engine.running)
        began_s = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(engine.service_s)
        finally:
            engine.running -= 1
            engine.busy_s[self.tenant] += asyncio.get_running_loop().time() - began_s
        engine.decodes["final" if final else "partial"] += 1
        if engine.random.random() < engine.failing:
            raise EngineError("out of order")
        return Hypothesis(f"heard {len(audio)}", "en")

    def close(self): ...


@dataclass
class Results:
    """What the clients saw.

    Attributes:
        ends: How many utterances ended, by how.
        final_s: From the end of the turn to the final, of each.
        previews: How many came.
    """

    ends: Counter[str] = field(default_factory=Counter)
    final_s: list[float] = field(default_factory=list)
    previews: int = 0

    def preview(self, text, stash, language):
        self.previews += 1

    def completed(self, transcript, language, ledger: Ledger):
        self.ends["completed"] += 1
        self.final_s.append(ledger.sent_s - ledger.decided_s)

    def failed(self, code, message):
        self.ends["failed"] += 1

    def percentile(self, share):
        return sorted(self.final_s)[int(share * (len(self.final_s) - 1))]


async def talk(recogniser, results, utterances, tenant, seed):
    """A speaker: sentences of one to six seconds, pauses of one to eight; the end is found after half a second."""
    rng, position = random.Random(seed), 0
    await asyncio.sleep(rng.uniform(0, 8))
    for _ in range(utterances):
        utterance = recogniser.open(SegmentOptions(context=tenant), results, Speaker(Backlog(10**9), tenant))
        task = asyncio.create_task(utterance.run())
        utterance.start_segment(position)
        for _ in range(rng.randint(4, 24)):
            await asyncio.sleep(PIECE_S)
            position += len(VOICE)
            utterance.add(VOICE, position)
        for part in np.array_split(NO_VOICE, 4):
            await asyncio.sleep(SILENCE_S / 4)
            utterance.add(part, position)
        utterance.end_segment(position)
        position += len(NO_VOICE)
        utterance.finish()
        await task
        await asyncio.sleep(rng.uniform(1, 8))


def simulate(engine, sessions, utterances, tenants=1, **cadence):
    """All sessions to their end; sessions are spread over the tenants."""

    async def scenario():
        results = Results()
        recogniser = Recogniser(engine, CADENCE)
        async with asyncio.TaskGroup() as group:
            for number in range(sessions):
                group.create_task(talk(recogniser, results, utterances, f"tenant {number % tenants}", number))
        assert (recogniser.scheduler.running, recogniser.scheduler.waiting) == (0, 0)
        return results

    results = run(scenario())
    assert sum(results.ends.values()) == sessions * utterances
    assert engine.most_running <= engine.info.concurrency
    return results


def partials_per_final(engine, results):
    return engine.decodes["partial"] / sum(results.ends.values())


@pytest.mark.parametrize(("sessions", "utterances", "overload"), [(8, 125, 0.5), (32, 94, 2), (64, 94, 4)])
def test_finals_come_first_however_many_speak(sessions, utterances, overload):
    """Ten thousand utterances. Decodes of 0.2 s on two slots: ten a second, and each speaker would like about 0.6."""
    engine = SlowEngine(service_s=0.2, slots=2)
    results = simulate(engine, sessions, utterances)

    assert results.ends == {"completed": sessions * utterances}
    # A final waits for finals alone, whose demand is within what the engine can do.
    assert results.percentile(0.5) <= 0.3
    assert results.percentile(0.99) <= 1.2
    if overload < 1:
        assert partials_per_final(engine, results) > 4
    if overload > 2:
        assert partials_per_final(engine, results) < 1.5


def test_partials_thin_out_and_finals_do_not():
    rates = []
    for sessions in (4, 16, 64):
        engine = SlowEngine(service_s=0.2, slots=2)
        rates.append(partials_per_final(engine, simulate(engine, sessions, 20)))
    assert rates[0] > rates[1] > rates[2]


def test_a_failing_engine_loses_no_end():
    engine = SlowEngine(service_s=0.1, slots=4, failing=0.2)
    results = simulate(engine, 20, 50)
    assert (
        0.002 < results.ends["failed"] / 1000 < 0.03
    )  # the speculation and both attempts fail, 0.8 times in a hundred


def test_a_burst_ends():
    """All finish in the same moment."""

    async def scenario():
        engine, results = SlowEngine(service_s=0.1, slots=2), Results()
        recogniser = Recogniser(engine, CADENCE)
        utterances = [recogniser.open(SegmentOptions(), results, Speaker(Backlog(10**9))) for _ in range(200)]
        tasks = [asyncio.create_task(utterance.run()) for utterance in utterances]
        for utterance in utterances:
            utterance.start_segment(0)
            utterance.add(np.concatenate([VOICE] * 8), 8 * len(VOICE))
            utterance.end_segment(8 * len(VOICE))
            utterance.finish()
        began_s = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(200 * 0.1 / 2, rel=0.01)
        assert results.ends == {"completed": 200}

    run(scenario())


def test_a_greedy_tenant_gets_no_more_than_its_share():
    """One tenant has three sessions for each of the other's; both want more partials than there can be."""

    async def scenario():
        engine = SlowEngine(service_s=0.5, slots=2)
        recogniser = Recogniser(engine, CADENCE)
        results = Results()

        async def speak(tenant):
            utterance = recogniser.open(SegmentOptions(context=tenant), results, Speaker(Backlog(10**9), tenant))
            task = asyncio.create_task(utterance.run())
            utterance.start_segment(0)
            for number in range(1, 1200):
                await asyncio.sleep(PIECE_S)
                utterance.add(VOICE, number * len(VOICE))
            task.cancel()
            await asyncio.wait([task])

        async with asyncio.TaskGroup() as group:
            for _ in range(36):
                group.create_task(speak("greedy"))
            for _ in range(12):
                group.create_task(speak("modest"))
        return engine.busy_s

    busy_s = run(scenario())
    assert busy_s["modest"] == pytest.approx(busy_s["greedy"], rel=0.1)
