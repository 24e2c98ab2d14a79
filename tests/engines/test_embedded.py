import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from qwen3_asr_realtime.engines import embedded
from qwen3_asr_realtime.engines.base import EngineError, Hypothesis, SegmentOptions
from qwen3_asr_realtime.engines.embedded import EmbeddedEngine
from qwen3_asr_realtime.engines.polyglot import English, Heard
from qwen3_asr_realtime.samples import NO_SAMPLES

PATIENCE_S = 10  # a test that would hang fails instead


class FakeListener:
    """Records what is wished for; hearing `blocking` audio lasts until it is cancelled."""

    def __init__(self):
        self.wishes = []
        self.presumed, self.decided = "", None
        self.began = threading.Semaphore(0)
        self.cancelled = 0

    def hear(self, audio, wish, cancelled):
        self.wishes.append(wish)
        self.began.release()
        if audio.size:
            assert cancelled.wait(PATIENCE_S)
            self.cancelled += 1
            raise EngineError("the decode was cancelled")
        return Heard(Hypothesis("yes", "en"), self.decided, self.presumed, draft=(5, 6))


blocking = np.zeros(1, np.float32)


@pytest.fixture
def fake(monkeypatch):
    listener = FakeListener()
    monkeypatch.setattr(embedded, "_load", lambda workers, locate_whisper: listener)
    return listener


@pytest.fixture
async def engine(model, monkeypatch):
    """The engine with the real model, loaded once for all tests."""
    monkeypatch.setattr(embedded, "_load", lambda workers, locate_whisper: English(model))
    engine = EmbeddedEngine(workers=4)
    await engine.start()
    yield engine
    await engine.stop()


async def begun(fake):
    assert await asyncio.to_thread(fake.began.acquire, timeout=PATIENCE_S)


def refresh(engine, audio, **options):
    return engine.open(SegmentOptions()).refresh(audio, **{"final": True, **options})


def decoding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("embedded")]


async def test_the_real_model_from_start_to_stop(clip):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    hypothesis = await refresh(engine, clip.samples)
    await engine.stop()

    assert hypothesis == Hypothesis("He might even have been made amiable himself.", language="en")
    assert not decoding_threads()


async def test_concurrent_refreshes_hear_what_serial_ones_do(engine, english_clips):
    audios = sorted((clip.samples for clip in english_clips.values()), key=len)[:4]

    serial = [await refresh(engine, audio) for audio in audios]
    concurrent = await asyncio.gather(*(refresh(engine, audio) for audio in audios))

    assert concurrent == serial
    assert len(set(serial)) == 4


async def test_a_refresh_may_be_repeated(engine, clip):
    stream = engine.open(SegmentOptions())

    first = await stream.refresh(clip.samples, final=False)
    assert await stream.refresh(clip.samples, final=False) == first
    assert await stream.refresh(clip.samples, final=True) == first


async def test_no_text_has_no_language(engine):
    assert await refresh(engine, NO_SAMPLES) == Hypothesis(text="", language="")


async def test_bad_audio_fails_its_own_refresh_only(engine, clip):
    bad, good = await asyncio.gather(
        refresh(engine, np.full(16_000, np.nan, np.float32)), refresh(engine, clip.samples), return_exceptions=True
    )

    assert isinstance(bad, EngineError)
    assert good.text


async def test_hypotheses_are_drafts_of_the_next_unless_they_may_not_steer_it(fake):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    stream = engine.open(SegmentOptions())

    await stream.refresh(NO_SAMPLES, final=False)
    await stream.refresh(NO_SAMPLES, final=False)
    await stream.refresh(NO_SAMPLES, final=False, use_prefix=False)
    await stream.refresh(NO_SAMPLES, final=True)
    stream.close()
    await stream.refresh(NO_SAMPLES, final=False)
    await engine.open(SegmentOptions()).refresh(NO_SAMPLES, final=False)
    await engine.stop()

    assert [wish.draft for wish in fake.wishes] == [(), (5, 6), (), (5, 6), (), ()]
    assert [wish.final for wish in fake.wishes] == [False, False, False, True, False, False]


async def test_a_decided_language_stays_with_the_segment(fake):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    stream = engine.open(SegmentOptions(expected="en", context="Pudong"))

    for fake.presumed, fake.decided in (("ja", None), ("", "zh"), ("", None)):
        await stream.refresh(NO_SAMPLES, final=False)
    await stream.refresh(NO_SAMPLES, final=True, speech_confirmed=False)
    await engine.open(SegmentOptions(language="fr")).refresh(NO_SAMPLES, final=True)
    await engine.stop()

    assert [wish.language for wish in fake.wishes] == [None, None, "zh", "zh", "fr"]
    assert [wish.presumed for wish in fake.wishes] == ["", "ja", "ja", "ja", ""]
    assert [wish.expected for wish in fake.wishes] == ["en"] * 4 + [""]
    assert [wish.context for wish in fake.wishes] == ["Pudong"] * 4 + [""]
    assert [wish.speech_confirmed for wish in fake.wishes] == [True, True, True, False, True]


async def test_cancelling_a_running_refresh_stops_its_thread(fake):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    task = asyncio.create_task(refresh(engine, blocking))
    await begun(fake)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await refresh(engine, NO_SAMPLES)).text == "yes", "the only worker is free again"
    assert fake.cancelled == 1
    await engine.stop()


async def test_a_refresh_cancelled_while_queued_is_never_decoded(fake):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    running = asyncio.create_task(refresh(engine, blocking))
    await begun(fake)
    queued = asyncio.create_task(refresh(engine, NO_SAMPLES))
    await asyncio.sleep(0)

    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await engine.stop()

    assert len(fake.wishes) == 1


async def test_stopping_ends_running_and_queued_refreshes_with_an_error(fake):
    engine = EmbeddedEngine(workers=1)
    await engine.start()
    tasks = [asyncio.create_task(refresh(engine, blocking)) for _ in range(3)]
    await begun(fake)

    await engine.stop()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [EngineError] * 3
    assert not decoding_threads()


async def test_a_stopped_engine_refuses_and_can_start_again(fake):
    engine = EmbeddedEngine(workers=1)
    stream = engine.open(SegmentOptions())
    with pytest.raises(EngineError, match="not running"):
        await stream.refresh(NO_SAMPLES, final=False)

    await engine.start()
    await engine.stop()
    await engine.stop()
    with pytest.raises(EngineError, match="not running"):
        await stream.refresh(NO_SAMPLES, final=False)

    await engine.start()
    assert (await stream.refresh(NO_SAMPLES, final=False)).text == "yes"
    await engine.stop()


async def test_starting_and_stopping_at_once_take_turns(fake, monkeypatch):
    loads = []
    monkeypatch.setattr(embedded, "_load", lambda workers, locate_whisper: loads.append(fake) or fake)
    engine = EmbeddedEngine(workers=1)

    await asyncio.gather(engine.start(), engine.start(), engine.stop())

    assert len(loads) == 1
    with pytest.raises(EngineError, match="not running"):
        await refresh(engine, NO_SAMPLES)


async def test_a_failed_start_can_be_repeated(fake, monkeypatch):
    def missing(workers, locate_whisper):
        raise EngineError("the model is missing")

    engine = EmbeddedEngine(workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "_load", missing)
        with pytest.raises(EngineError, match="missing"):
            await engine.start()

    await engine.start()
    assert (await refresh(engine, NO_SAMPLES)).text == "yes"
    await engine.stop()


def test_info_needs_no_model():
    info = EmbeddedEngine(workers=3).info

    assert (info.name, info.languages, info.concurrency) == ("embedded", frozenset({"en"}), 3)


def test_with_whisper_it_knows_every_language():
    info = EmbeddedEngine(workers=1, locate_whisper=Path, whisper_name="whisper-base").info

    assert (info.languages, info.model) == (None, "moonshine-tiny-en + whisper-base")
