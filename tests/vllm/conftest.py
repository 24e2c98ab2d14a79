"""The real vLLM engine, on the CPU with random weights: everything but what is heard.

It takes an environment of its own and half a minute a start, so these tests run only where they are asked for by name:
`make test-vllm`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import english_clips, silence
from qwen3_asr_realtime.samples import Samples

ENGINE_ARGS: Mapping[str, Any] = {"enforce_eager": True, "block_size": 32, "skip_mm_profiling": True}
"""Nothing is compiled or measured at the start, and the blocks of the cache are as small as a CPU has them."""

START_TIMEOUT_S = 600.0

CPU_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # more would wait for each other more than work
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else all servers share the first core
    "VLLM_NO_USAGE_STATS": "1",
}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let vLLM and torch use what they have deprecated."""
    config.addinivalue_line("filterwarnings", "default")


@pytest.fixture(scope="session", autouse=True)
def _cpu_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CPU_ENVIRONMENT.items():
            patch.setenv(name, os.environ.get(name, value))
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights."""
    from scripts.tiny_checkpoint import SHAPES, write_checkpoint  # noqa: PLC0415 - only where there is torch

    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, SHAPES["tiny"])
    return folder


@pytest.fixture(scope="session")
def vllm_settings(checkpoint: Path) -> Mapping[str, str]:
    """Settings of a server that runs it."""
    return {
        "ASR_ENGINE": "vllm",
        "QWEN3_ASR_MODEL_PATH": str(checkpoint),
        "MODEL_DTYPE": "float",
        "VLLM_ENGINE_ARGS": json.dumps(ENGINE_ARGS),
        "VLLM_MAX_NUM_SEQS": "32",
    }


@pytest.fixture(scope="session")
def speech() -> Samples:
    """Half a minute of speech and a bit more."""
    return np.concatenate([clip.samples for clip in english_clips()])


@pytest.fixture(scope="session")
def two_sentences() -> Samples:
    """Two utterances with a pause between them, and silence in the end."""
    first, second = (clip.samples for clip in english_clips() if clip.name in {"libri_0930.wav", "cmd_goforward.wav"})
    return np.concatenate([first, silence(1.2), second, silence(1.2)])
