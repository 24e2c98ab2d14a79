import asyncio

import numpy as np
import pytest

from qwen3_asr_realtime.engines.base import Condition, EngineError, SegmentOptions
from qwen3_asr_realtime.engines.vllm.backend import Answer
from qwen3_asr_realtime.engines.vllm.local import engine as engine_module
from qwen3_asr_realtime.engines.vllm.local import supervision
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions
from qwen3_asr_realtime.engines.vllm.local.engine import LocalVllmEngine
from qwen3_asr_realtime.engines.vllm.stream import StreamLimits
from qwen3_asr_realtime.engines.vllm.tokens import Token
from qwen3_asr_realtime.samples import SAMPLE_RATE

LIMITS = StreamLimits(max_segment_s=60.0, max_new_tokens=32, max_context_tokens=100)
AUDIO = np.zeros(2 * SAMPLE_RATE, np.float32)


class FakeBackend:
    """Takes the place of `LocalBackend`; all that there were are in `made`."""

    made: list["FakeBackend"]
    fails = False
    ends_badly = False

    def __init__(self, llm: str) -> None:
        self.llm = llm
        self.is_dead = False
        self.closed = False
        self.requests = []
        self.made.append(self)

    async def generate(self, request):
        if self.fails:
            raise EngineError("it does not answer")
        self.requests.append(request)
        tokens = ["language English", "<asr_text>", f"from {self.llm}"]
        return Answer(
            [Token(token.encode(), number) for number, token in enumerate(tokens)],
            truncated=False,
            prompt_tokens=10,
            cached_tokens=4,
        )

    async def close(self) -> None:
        self.closed = True
        if self.ends_badly:
            raise RuntimeError("it was half gone")


class FakeGuardian:
    made: list["FakeGuardian"]

    def __init__(self) -> None:
        self.closed = False
        self.made.append(self)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def loads(monkeypatch):
    """What loading gives, in turn: an engine's name, or an error to raise."""
    loads = []

    async def load(options, max_segment_s, guardian):
        if isinstance(loads[0], BaseException):
            raise loads.pop(0)
        return loads.pop(0)

    FakeBackend.made, FakeGuardian.made = [], []
    monkeypatch.setattr(engine_module, "load", load)
    monkeypatch.setattr(engine_module, "LocalBackend", FakeBackend)
    monkeypatch.setattr(engine_module, "Guardian", FakeGuardian)
    return loads


def new_engine() -> LocalVllmEngine:
    return LocalVllmEngine(LocalOptions("weights", max_backoff_s=0.01), LIMITS)


async def test_a_segment_goes_on_with_the_next_engine(loads, monkeypatch) -> None:
    monkeypatch.setattr(supervision, "CHECK_S", 0)
    loads += ["one", "two"]
    engine = new_engine()
    await engine.start()
    stream = engine.open(SegmentOptions())
    assert (await stream.refresh(AUDIO, final=False)).text == "from one"

    FakeBackend.made[0].is_dead = True
    with pytest.raises(EngineError, match="is being restarted"):
        await stream.refresh(AUDIO, final=False)
    async with asyncio.timeout(10):
        while engine.status.condition is Condition.DOWN:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)

    assert (await stream.refresh(AUDIO, final=True)).text == "from two"
    assert (engine.status.prompt_tokens, engine.status.cached_tokens) == (20, 8)
    assert engine.status.restarts == 1
    assert FakeBackend.made[0].closed
    assert FakeGuardian.made[0].closed
    await engine.stop()
    assert FakeBackend.made[1].closed
    assert FakeGuardian.made[1].closed


async def test_it_answers_once_before_it_is_up(loads) -> None:
    loads.append("one")
    engine = new_engine()

    await engine.start()

    (request,) = FakeBackend.made[0].requests
    assert [window.features.shape for window in request.windows] == [(128, 100)]
    await engine.stop()


@pytest.mark.parametrize("error", [EngineError("no memory"), asyncio.CancelledError()])
async def test_nothing_is_left_of_one_that_is_not_loaded(loads, error) -> None:
    loads.append(error)

    with pytest.raises(type(error)):
        await new_engine().start()

    assert FakeGuardian.made[0].closed


async def test_nothing_is_left_of_one_that_does_not_answer(loads, monkeypatch) -> None:
    monkeypatch.setattr(FakeBackend, "fails", True)
    loads.append("one")

    with pytest.raises(EngineError, match="it does not answer"):
        await new_engine().start()

    assert FakeBackend.made[0].closed
    assert FakeGuardian.made[0].closed


@pytest.mark.parametrize("fails", [False, True])
async def test_an_engine_that_ends_badly_leaves_no_guardian(loads, monkeypatch, fails) -> None:
    monkeypatch.setattr(FakeBackend, "ends_badly", True)
    monkeypatch.setattr(FakeBackend, "fails", fails)
    loads.append("one")

    with pytest.raises(RuntimeError, match="half gone"):
        await (await engine_module.launch(LocalOptions("weights"), 60.0)).close()

    assert FakeGuardian.made[0].closed
