"""Windows are the same to the model as one recording, cost what is new, and leave nothing behind when cancelled."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest
import pytest_asyncio
import torch
from tests.vllm.conftest import ENGINE_ARGS
from vllm import AsyncEngineArgs, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.metrics.loggers import StatLoggerBase
from vllm.v1.metrics.stats import SchedulerStats

from qwen3_asr_realtime.engines.base import SegmentOptions
from qwen3_asr_realtime.engines.vllm.backend import Answer, AudioWindow, Request
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions, engine_arguments
from qwen3_asr_realtime.engines.vllm.local.backend import LocalBackend
from qwen3_asr_realtime.engines.vllm.local.inputs import audio_inputs
from qwen3_asr_realtime.engines.vllm.local.vocabulary import Vocabulary
from qwen3_asr_realtime.engines.vllm.prompt import forced_head
from qwen3_asr_realtime.engines.vllm.stream import Qwen3Stream, StreamLimits
from qwen3_asr_realtime.engines.vllm.windows import AudioWindows
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, Samples

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

TOKENS_PER_WINDOW = 104
WINDOW_S = 8
BLOCK_SIZE = ENGINE_ARGS["block_size"]
FOLLOWING_SAMPLES = SAMPLE_RATE // 50
LIMITS = StreamLimits(max_segment_s=60, max_new_tokens=32, max_context_tokens=64)


@dataclass(frozen=True)
class Heard:
    """What the model makes of some audio: log-probabilities of likely first tokens, and the greedy answer."""

    log_probabilities: Mapping[int, float]
    tokens: Sequence[int]

    def distance(self, other: "Heard") -> float:
        common = self.log_probabilities.keys() & other.log_probabilities.keys()
        assert len(common) >= 10
        return max(abs(self.log_probabilities[token] - other.log_probabilities[token]) for token in common)


class Listener:
    """Asks vLLM itself, in whatever form."""

    def __init__(self, llm: AsyncLLM, vocabulary: Vocabulary) -> None:
        self._llm = llm
        self._vocabulary = vocabulary

    async def whole(self, audio: Samples) -> Heard:
        """All samples in one item: vLLM makes the features."""
        return await self._heard({"multi_modal_data": {"audio": [audio]}}, 1)

    async def windows(self, windows: Sequence[AudioWindow]) -> Heard:
        """Features of windows, one item each."""
        inputs = audio_inputs(windows)
        features = {
            "input_audio_features": torch.from_numpy(inputs.features),
            "audio_feature_lengths": torch.from_numpy(inputs.lengths),
            "feature_attention_mask": torch.from_numpy(inputs.mask),
        }
        audio = {"multi_modal_data": {"audio": features}, "multi_modal_uuids": {"audio": inputs.uuids}}
        return await self._heard(audio, len(windows))

    async def _heard(self, audio: Mapping[str, Any], items: int) -> Heard:
        prompt = {"prompt_token_ids": self._vocabulary.prompt("", items, forced_head("English"), ()), **audio}
        parameters = SamplingParams(temperature=0, max_tokens=8, logprobs=20, detokenize=False)
        outputs = [output async for output in self._llm.generate(prompt, parameters, request_id=uuid4().hex)]
        completion = outputs[-1].outputs[0]
        assert completion.logprobs is not None
        return Heard({token: entry.logprob for token, entry in completion.logprobs[0].items()}, completion.token_ids)


class RecordingBackend(LocalBackend):
    """Keeps the answers."""

    def __init__(self, llm: AsyncLLM) -> None:
        super().__init__(llm)
        self.answers: list[Answer] = []

    async def generate(self, request: Request) -> Answer:
        answer = await super().generate(request)
        self.answers.append(answer)
        return answer


class StepLogger(StatLoggerBase):
    """Notes how many requests the engine works on, step by step."""

    steps: ClassVar[list[int]] = []

    def __init__(self, vllm_config: object, engine_index: int = 0) -> None:
        pass

    def record(self, scheduler_stats: SchedulerStats | None, *_: object, **__: object) -> None:
        if scheduler_stats is not None:
            self.steps.append(scheduler_stats.num_running_reqs)

    def log_engine_initialized(self) -> None:
        pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llm(checkpoint: Path) -> AsyncIterator[AsyncLLM]:
    """vLLM with the arguments the server gives it."""
    options = LocalOptions(
        str(checkpoint), dtype="float", max_num_seqs=8, extra_args={**ENGINE_ARGS, "disable_log_stats": False}
    )
    arguments = engine_arguments(options, {field.name for field in fields(AsyncEngineArgs)})
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), stat_loggers=[StepLogger])
    yield engine
    engine.shutdown()
    del engine


@pytest.fixture(scope="module")
def vocabulary(llm: AsyncLLM) -> Vocabulary:
    return Vocabulary(llm.get_tokenizer().backend_tokenizer)


@pytest.fixture(scope="module")
def listener(llm: AsyncLLM, vocabulary: Vocabulary) -> Listener:
    return Listener(llm, vocabulary)


@pytest.fixture
def steps() -> list[int]:
    return StepLogger.steps


def cut(windows: Sequence[AudioWindow], frames: int) -> Sequence[AudioWindow]:
    """The same features in pieces of another length."""
    joined = np.concatenate([window.features for window in windows if window.features is not None], axis=1)
    pieces = [joined[:, first : first + frames] for first in range(0, joined.shape[1], frames)]
    return [replace(windows[0], uuid=uuid4().hex, features=piece, frozen=False) for piece in pieces]


async def assert_heard_alike(listener: Listener, audio: Samples, windows: Sequence[AudioWindow]) -> None:
    whole, in_windows = await listener.whole(audio), await listener.windows(windows)
    seconds = len(audio) / SAMPLE_RATE
    assert whole.distance(in_windows) <= 1e-4, f"at {seconds} s"
    assert whole.tokens == in_windows.tokens, f"at {seconds} s"


async def test_windows_are_one_recording_to_the_model(listener: Listener, speech: Samples) -> None:
    """At every whole second. Of later sound, which windows hear at their end, neither has any."""
    for seconds in range(1, 31):
        audio = speech[: seconds * SAMPLE_RATE]
        windows = AudioWindows(uuid4().hex, features=True).windows(audio, NO_SAMPLES)
        await assert_heard_alike(listener, audio, windows)


async def test_frozen_windows_are_too(listener: Listener, speech: Samples) -> None:
    """As long as nothing louder follows (see `AudioWindows`)."""
    fading = speech * np.linspace(1, 0.2, len(speech), dtype=np.float32)
    growing = AudioWindows(uuid4().hex, features=True)
    for seconds in range(1, 31):
        audio = fading[: seconds * SAMPLE_RATE]
        windows = growing.windows(audio, NO_SAMPLES)
        assert sum(window.frozen for window in windows) == (seconds - 1) // WINDOW_S
        await assert_heard_alike(listener, audio, windows)


async def test_other_windows_are_not(listener: Listener, speech: Samples) -> None:
    """What the test above would see if the windows were off the encoder's grid."""
    audio = speech[: 10 * SAMPLE_RATE]
    windows = AudioWindows(uuid4().hex, features=True).windows(audio, NO_SAMPLES)
    whole, in_windows = await listener.whole(audio), await listener.windows(cut(windows, 500))
    assert whole.distance(in_windows) > 1e-3


async def test_the_cache_grows_by_whole_windows(llm: AsyncLLM, vocabulary: Vocabulary, speech: Samples) -> None:
    backend = RecordingBackend(llm)
    stream = Qwen3Stream(backend, SegmentOptions(language="en"), LIMITS, features=True)
    before_audio = vocabulary.prompt("", 1, "", ()).index(vocabulary.audio_pad_id)
    for seconds in range(2, 41, 2):
        audio, following = np.split(speech[: seconds * SAMPLE_RATE + FOLLOWING_SAMPLES], [seconds * SAMPLE_RATE])
        await stream.refresh(audio, final=False, following=following)
        answer = backend.answers[-1]
        frozen = (seconds - 2) // WINDOW_S  # at the update before
        expected = before_audio + TOKENS_PER_WINDOW * frozen if frozen else 0
        assert answer.cached_tokens == expected // BLOCK_SIZE * BLOCK_SIZE, f"at {seconds} s"


async def test_cancelled_updates_leave_the_engine(llm: AsyncLLM, steps: list[int], speech: Samples) -> None:
    backend = LocalBackend(llm)
    streams = [Qwen3Stream(backend, SegmentOptions(language="en"), LIMITS, features=True) for _ in range(8)]
    tasks = [asyncio.create_task(stream.refresh(speech[: 20 * SAMPLE_RATE], final=True)) for stream in streams]
    async with asyncio.timeout(10):
        while llm.get_num_unfinished_requests() < 4:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(task.cancelled() for task in tasks) >= 4
    assert llm.get_num_unfinished_requests() == 0
    steps.clear()
    await streams[0].refresh(speech[: 3 * SAMPLE_RATE], final=True)
    assert max(steps) == 1, "the engine works on something that nobody waits for"
