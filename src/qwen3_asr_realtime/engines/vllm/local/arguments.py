"""From our settings to vLLM's: the arguments the engine is started with."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.windows import WINDOW_SAMPLES
from qwen3_asr_realtime.samples import SAMPLE_RATE

MAX_BATCHED_TOKENS: Final = 8192
"""Tokens of all requests in one step of the engine. It is also the size of vLLM's encoder cache, 13 tokens for a second
of audio: a window that the prefix cache covers only in part is taken from there instead of being encoded again."""


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How to run the engine.

    Attributes:
        model: Folder with the weights, or their name on the hub.
        dtype: Precision of the weights: "half", "bfloat16", "float" or "auto".
        gpu_memory_utilization: Share of each GPU's memory the engine may take, in (0, 1].
        tensor_parallel_size: GPUs the model is spread over.
        max_num_seqs: Requests that make progress at the same time; more wait.
        max_model_len: Most tokens of one request, audio (13 per second), context and answer together.
        extra_args: More arguments of vLLM's `AsyncEngineArgs` by name: those that have no option here.
        start_timeout_s: Longest time for loading, a download included.
        max_backoff_s: Longest wait before an engine that died is started again.
        use_modelscope: Get the weights from ModelScope instead of the Hugging Face hub.
    """

    model: str
    dtype: str = "half"
    gpu_memory_utilization: float = 0.5
    tensor_parallel_size: int = 1
    max_num_seqs: int = 64
    max_model_len: int = 8192
    extra_args: Mapping[str, Any] = field(default_factory=dict)
    start_timeout_s: float = 900.0
    max_backoff_s: float = 60.0
    use_modelscope: bool = False


def engine_arguments(options: LocalOptions, known: Collection[str], *, max_segment_s: float = 60.0) -> dict[str, Any]:
    """Keyword arguments for vLLM's `AsyncEngineArgs`.

    Args:
        options: What the operator wants.
        known: Names of all arguments of this version of vLLM.
        max_segment_s: Longest audio of one request, in seconds.

    Raises:
        EngineError: An extra argument does not exist, or is not free to choose.
    """
    settings = {
        "model": options.model,
        "dtype": options.dtype,
        "gpu_memory_utilization": options.gpu_memory_utilization,
        "tensor_parallel_size": options.tensor_parallel_size,
        "max_num_seqs": options.max_num_seqs,
        "max_model_len": options.max_model_len,
    }
    relied_on = {
        "enable_mm_embeds": True,  # we send log-mel features
        "limit_mm_per_prompt": {"audio": math.ceil(max_segment_s * SAMPLE_RATE / WINDOW_SAMPLES)},
        "enable_prefix_caching": True,  # without it every update would cost the whole segment
        "scheduling_policy": "priority",  # finals first
        "skip_tokenizer_init": False,
        "data_parallel_size": 1,  # its balancer does not know which of its engines has seen a segment before
        "enable_log_requests": False,  # audio and text are nobody's business
    }
    free = {
        "max_num_batched_tokens": MAX_BATCHED_TOKENS,
        "mm_processor_cache_gb": 0,  # features that come ready-made never get into it
        "disable_log_stats": True,  # a line of figures every ten seconds
    }
    for name in options.extra_args:
        if name in settings:
            raise EngineError(f"VLLM_ENGINE_ARGS: {name} has a setting of its own, use that")
        if name in relied_on:
            raise EngineError(f"VLLM_ENGINE_ARGS: {name} cannot be changed, this server relies on it")
        if name not in known:
            similar = get_close_matches(name.replace("-", "_"), known, n=1)
            hint = f", did you mean {similar[0]}?" if similar else ""
            raise EngineError(f"VLLM_ENGINE_ARGS: this version of vLLM has no {name}{hint}")
    return settings | relied_on | free | dict(options.extra_args)
