"""What an update costs in vLLM, as one item or as windows that stay in the caches; with .venv-vllm/bin/python alone.

    .venv-vllm/bin/python benchmarks/engine_cost.py --seconds 40        (on a CPU; `make vllm-cpu` builds that)
    python benchmarks/engine_cost.py --seconds 300 --step 1 --sessions 1 8 32 64 128        (on a GPU)

The weights are random, of the real shape, unless `--model` names others: the time does not depend on them. The prompt
of an update holds the audio so far and the text somebody would have said by then; a few tokens are added to it.
Times count from the samples on: features, rendering and queue are in them.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import psutil

from harness import english_clips, print_table
from line_chart import write_line_chart
from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.engines.vllm.backend import Request
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions, engine_arguments
from qwen3_asr_realtime.engines.vllm.local.backend import LocalBackend
from qwen3_asr_realtime.engines.vllm.local.vocabulary import Vocabulary
from qwen3_asr_realtime.engines.vllm.prompt import forced_head
from qwen3_asr_realtime.engines.vllm.tokens import Token
from qwen3_asr_realtime.engines.vllm.windows import AudioWindows
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.metrics.stats import IterationStats

ROOT = Path(__file__).parents[1]
HEAD = forced_head("English")
TEXT_TOKENS_PER_SECOND = 3.5
"""English at 160 words a minute and 1.3 tokens a word."""

WARM_UP_S = 10.0
FOLLOWING_SAMPLES = SAMPLE_RATE // 50
"""An update is cut on a whole second; the server has a bit more sound by then."""

ON_CPU = {"enforce_eager": True, "block_size": 32, "skip_mm_profiling": True}
"""Arguments that make a start on a CPU bearable; blocks of 16, as on a GPU, are not to be had there."""


@dataclass(frozen=True)
class Update:
    """One request and what it cost.

    Attributes:
        audio_s: Length of the utterance so far.
        prompt: Tokens of the prompt.
        cached: How many of them the prefix cache had.
        audio_computed: Tokens of audio that it had not.
        first_s: Time to the first token.
        total_s: Time to the answer.
        cpu_s: CPU time of the engine's processes: on a CPU, the figure that other programs change least.
    """

    audio_s: float
    prompt: int
    cached: int
    audio_computed: int
    first_s: float
    total_s: float
    cpu_s: float


class Observed:
    """An AsyncLLM that remembers its last output: a backend does not tell all of it."""

    output: "RequestOutput"

    def __init__(self, llm: "AsyncLLM") -> None:
        self._llm = llm

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else of it
        return getattr(self._llm, name)

    async def generate(self, *arguments: object, **named: object) -> "AsyncIterator[RequestOutput]":
        """Pass on a request and what comes of it."""
        async for output in self._llm.generate(*arguments, **named):
            self.output = output
            yield output


class Utterance:
    """One that grows, by one update after the other."""

    def __init__(self, llm: "AsyncLLM", speech: Samples, new_tokens: int) -> None:
        self._llm = Observed(llm)
        self._backend = LocalBackend(self._llm)
        self._vocabulary = Vocabulary(llm.get_tokenizer().backend_tokenizer)
        self._speech = speech
        self._new_tokens = new_tokens
        self._engine = psutil.Process().children(recursive=True)
        self._segment_id = uuid4().hex
        self._windows = AudioWindows(self._segment_id, features=True)

    async def by_windows(self, length_s: float) -> Update:
        """Ask as the server does."""
        began = self._clocks()
        audio = self._audio(length_s)
        following = self._speech[len(audio) :][:FOLLOWING_SAMPLES]
        windows = await asyncio.to_thread(self._windows.windows, audio, following)
        prefix = self._prefix(length_s)
        request = Request(self._segment_id, windows, "", HEAD, prefix, self._new_tokens, Priority.PARTIAL)
        await self._backend.generate(request)
        return self._update(length_s, began)

    async def as_one_item(self, length_s: float) -> Update:
        """Ask as the reference implementation does: vLLM gets the samples and makes the features of all of them."""
        from vllm import SamplingParams  # noqa: PLC0415 - slow to import
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        began = self._clocks()
        prompt = {
            "prompt_token_ids": self._vocabulary.prompt("", 1, HEAD, self._prefix(length_s)),
            "multi_modal_data": {"audio": [self._audio(length_s)]},
        }
        parameters = SamplingParams(
            temperature=0, max_tokens=self._new_tokens, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY
        )
        (rendered,) = await self._llm.renderer.render_cmpl_async([prompt])
        async for _ in self._llm.generate(rendered, parameters, request_id=uuid4().hex):
            pass
        return self._update(length_s, began)

    def _audio(self, length_s: float) -> Samples:
        return self._speech[: round(length_s * SAMPLE_RATE)]

    def _prefix(self, length_s: float) -> list[Token]:
        count = int(length_s * TEXT_TOKENS_PER_SECOND)
        return [self._vocabulary.token(300 + number % 64) for number in range(count)]

    def _clocks(self) -> tuple[float, float]:
        """Now, as vLLM tells it, and the CPU time of the engine's processes so far."""
        times = [process.cpu_times() for process in self._engine]
        return time.time(), sum(spent.user + spent.system for spent in times)

    def _update(self, length_s: float, began: tuple[float, float]) -> Update:
        total_s, cpu_s = (now - then for now, then in zip(self._clocks(), began, strict=True))
        output = self._llm.output
        prompt, cached = output.prompt_token_ids, output.num_cached_tokens or 0
        after_audio = prompt[::-1].index(self._vocabulary.audio_pad_id)
        first_at = output.metrics.arrival_time + output.metrics.first_token_latency
        return Update(
            length_s,
            len(prompt),
            cached,
            max(0, len(prompt) - after_audio - cached),
            first_at - began[0],
            total_s,
            cpu_s,
        )


async def grow(ask: Callable[[float], Awaitable[Update]], lengths_s: Sequence[float]) -> list[Update]:
    return [await ask(length_s) for length_s in lengths_s]


def compare(one: Sequence[Update], windows: Sequence[Update], step_s: float) -> None:
    """Print both ways side by side, and what the whole utterance cost up to a few lengths."""
    shown = [*range(0, len(one), max(1, len(one) // 10)), len(one) - 1]
    columns = ("prompt", "cached", "computed", "first token ms", "total ms", "CPU ms")
    print_table(
        ["audio s", *(f"{way}: {column}" for way in ("one item", "windows") for column in columns)],
        [
            [
                f"{one[index].audio_s:g}",
                *(
                    cell
                    for update in (one[index], windows[index])
                    for cell in (
                        update.prompt,
                        update.cached,
                        update.prompt - update.cached,
                        f"{update.first_s * 1000:.0f}",
                        f"{update.total_s * 1000:.0f}",
                        f"{update.cpu_s * 1000:.0f}",
                    )
                ),
            ]
            for index in dict.fromkeys(shown)
        ],
    )
    for until_s in (40, 60, 120, 300):
        count = sum(update.audio_s <= until_s for update in one)
        if one[-1].audio_s >= until_s:
            print(f"{count} updates to {until_s} s, all together:")
            for name, what in (("first token", "first_s"), ("answer", "total_s"), ("CPU", "cpu_s")):
                whole_s, windows_s = (sum(getattr(update, what) for update in way[:count]) for way in (one, windows))
                print(
                    f"  {name}: {whole_s:.2f} s as one item, {windows_s:.2f} s with windows, "
                    f"{whole_s / windows_s:.1f} times less"
                )
    by_length = {round(update.audio_s / step_s): update for update in windows}
    early, late = (by_length.get(round(length_s / step_s)) for length_s in (20, 60))  # both 4 s into a window
    if early and late:
        print(
            f"audio tokens computed with windows: {early.audio_computed} at 20 s, {late.audio_computed} at 60 s: "
            f"{late.audio_computed / early.audio_computed:.2f} times"
        )


# --- many sessions ---


def batch_logger(sizes: list[int]) -> Callable[..., Any]:
    """A stat logger for vLLM that notes how many requests got a token in each step of the engine."""
    from vllm.v1.metrics.loggers import StatLoggerBase  # noqa: PLC0415 - slow to import

    class BatchSizes(StatLoggerBase):  # type: ignore[misc] # vLLM is not there when types are checked
        def __init__(self, vllm_config: object, engine_index: int = 0) -> None:
            pass

        def record(
            self, scheduler_stats: object, iteration_stats: "IterationStats | None", *_: object, **__: object
        ) -> None:
            if iteration_stats is not None:
                first, later = iteration_stats.time_to_first_tokens_iter, iteration_stats.inter_token_latencies_iter
                sizes.append(len(first) + len(later))

        def log_engine_initialized(self) -> None:
            pass

    return BatchSizes


async def sweep(
    utterance: Callable[[], Utterance], counts: Sequence[int], lengths_s: Sequence[float], sizes: list[int]
) -> None:
    """Sessions that ask for their next update as soon as they have the last one."""
    rows = []
    for count in counts:
        began = time.perf_counter()
        if count <= 16:
            for _ in range(count):
                await grow(utterance().by_windows, lengths_s)
        alone_s = time.perf_counter() - began
        sizes.clear()
        began = time.perf_counter()
        sessions = await asyncio.gather(*(grow(utterance().by_windows, lengths_s) for _ in range(count)))
        together_s = time.perf_counter() - began
        updates = [update for session in sessions for update in session]
        first_ms = np.percentile([update.first_s * 1000 for update in updates], [50, 95])
        total_ms = np.percentile([update.total_s * 1000 for update in updates], [50, 95])
        steps = [size for size in sizes if size]
        rows.append(
            [
                count,
                f"{len(updates) / together_s:.1f}",
                f"{count * lengths_s[-1] / together_s:.1f}",
                *(f"{value:.0f}" for value in (*first_ms, *total_ms)),
                f"{statistics.mean(steps):.1f}",
                max(steps),
                f"{together_s:.1f}",
                f"{alone_s:.1f}" if count <= 16 else "",
                f"{together_s / alone_s:.2f}" if count <= 16 else "",
            ]
        )
    print_table(
        [
            "sessions",
            "updates/s",
            "audio s/s",
            *(f"{what} ms, {share}" for what in ("first token", "answer") for share in ("median", "p95")),
            "requests a step, mean",
            "most",
            "together s",
            "one after another s",
            "ratio",
        ],
        rows,
    )


# --- the engine ---


@asynccontextmanager
async def running_engine(model: str, options: argparse.Namespace, sizes: list[int]) -> AsyncIterator["AsyncLLM"]:
    import torch  # noqa: PLC0415 - slow to import, all three
    from vllm import AsyncEngineArgs  # noqa: PLC0415
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

    arguments = engine_arguments(
        LocalOptions(
            model=model,
            dtype="bfloat16",
            max_num_seqs=max([64, *options.sessions]),
            extra_args={
                **({} if torch.cuda.is_available() else ON_CPU),
                "disable_log_stats": False,
                **options.engine_args,
            },
        ),
        {field.name for field in fields(AsyncEngineArgs)},
        max_segment_s=max(options.seconds, options.session_seconds, WARM_UP_S),
    )
    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), stat_loggers=[batch_logger(sizes)])
    try:
        yield llm
    finally:
        llm.shutdown()


def random_model(shape: str) -> str:
    """The folder of a random checkpoint, written the first time."""
    folder = Path(tempfile.gettempdir(), f"qwen3-asr-random-{shape}")
    if not (folder / "model.safetensors").exists():
        script = ROOT / "scripts" / "tiny_checkpoint.py"
        subprocess.run([sys.executable, script, folder, "--shape", shape], check=True)  # noqa: S603 - our own
    return str(folder)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What an update costs in vLLM, by the length of the utterance.")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--shape", choices=("tiny", "0.6b", "1.7b"), default="0.6b", help="of the random weights")
    weights.add_argument("--model", help="folder of real ones")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of the utterance; 0 leaves this part out")
    parser.add_argument("--step", type=float, default=2.0, help="audio between two updates, in seconds")
    parser.add_argument("--sessions", type=int, nargs="*", default=[], help="numbers of sessions at a time")
    parser.add_argument("--session-seconds", type=float, default=20.0, help="length of their utterances")
    parser.add_argument("--new-tokens", type=int, default=8, help="most tokens an update adds")
    parser.add_argument("--plot", type=Path, help="SVG file for the times to the first token")
    parser.add_argument("--engine-args", type=json.loads, default={}, help="more arguments of vLLM's, as JSON")
    return parser.parse_args()


async def main() -> None:
    options = parse_options()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB
    model = options.model or random_model(options.shape)
    speech = np.concatenate([clip.samples for clip in english_clips()])
    speech = np.tile(speech, 1 + int(max(options.seconds, options.session_seconds) * SAMPLE_RATE) // len(speech))
    sizes: list[int] = []

    def lengths_s(until_s: float) -> Sequence[float]:
        return [options.step * number for number in range(1, int(until_s / options.step) + 1)]

    async with running_engine(model, options, sizes) as llm:

        def utterance() -> Utterance:
            return Utterance(llm, speech, options.new_tokens)

        warm_up = Utterance(llm, speech[::-1].copy(), options.new_tokens)  # sound that nothing later asks for
        await grow(warm_up.by_windows, lengths_s(WARM_UP_S))
        await grow(warm_up.as_one_item, lengths_s(WARM_UP_S))
        if options.seconds:
            lengths = lengths_s(options.seconds)
            first, second = utterance(), utterance()
            one, windows = [], []
            for length_s in lengths:  # in turn: what else the machine does meets both
                one.append(await first.as_one_item(length_s))
                windows.append(await second.by_windows(length_s))
            compare(one, windows, options.step)
            if options.plot:
                write_line_chart(
                    options.plot,
                    {
                        name: [(update.audio_s, update.first_s * 1000) for update in way]
                        for name, way in (("one item", one), ("windows", windows))
                    },
                    title="Time to the first token of an update",
                    x_label="length of the utterance (s)",
                    y_label="time (ms)",
                )
        if options.sessions:
            await sweep(utterance, options.sessions, lengths_s(options.session_seconds), sizes)


if __name__ == "__main__":
    asyncio.run(main())
