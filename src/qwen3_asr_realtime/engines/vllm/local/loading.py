"""Starting vLLM's engine, off the event loop."""

import asyncio
import atexit
import importlib.util
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions, engine_arguments
from qwen3_asr_realtime.engines.vllm.local.failures import CORE_LOGGER, explain, read_causes, write_logging_config
from qwen3_asr_realtime.engines.vllm.local.guardian import Guardian
from qwen3_asr_realtime.scratch import scratch_folder

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

ARCHITECTURE: Final = "Qwen3ASRForConditionalGeneration"

CHECK_S: Final = 0.2
PROGRESS_S: Final = 10.0

log = structlog.get_logger()


async def load(options: LocalOptions, max_segment_s: float, guardian: Guardian) -> "AsyncLLM":
    """Start an engine; half a minute at least.

    Args:
        options: What to load, and how.
        max_segment_s: Longest audio of one request, in seconds.
        guardian: Gets to know the engine's processes as they come.

    Raises:
        EngineError: It does not start. Nothing is left of it, and neither if this is cancelled.
    """
    check_model_folder(options.model)
    abandoned = threading.Event()
    loading = asyncio.ensure_future(asyncio.to_thread(_load, options, max_segment_s, abandoned))
    try:
        await _watch(loading, options, guardian)
    except BaseException:
        abandoned.set()
        while not loading.done():  # a thread cannot be cancelled, but without its processes it soon fails
            with suppress(OSError):  # it may be gone itself
                guardian.watch(_engine_pids())  # it ends what these have started, when it is closed
            for process in multiprocessing.active_children():
                process.kill()
            await asyncio.wait([loading], timeout=CHECK_S)
        if loading.exception() is None:
            await asyncio.to_thread(loading.result().shutdown)
        raise
    return loading.result()


async def _watch(loading: asyncio.Future[Any], options: LocalOptions, guardian: Guardian) -> None:
    """Wait until an engine is loaded, and tell of it."""
    began_s = reported_s = monotonic()
    while not loading.done():
        await asyncio.wait([loading], timeout=CHECK_S)
        try:
            guardian.watch(_engine_pids())
        except OSError as error:
            raise EngineError(f"the guardian of the engine's processes is gone: {error}") from error
        now_s = monotonic()
        if now_s - began_s > options.start_timeout_s:
            raise EngineError(
                f"{options.model} was not loaded within ENGINE_START_TIMEOUT_SEC={options.start_timeout_s:g}"
            )
        if now_s - reported_s >= PROGRESS_S:
            reported_s = now_s
            log.info("loading", model=options.model, elapsed_s=round(now_s - began_s))


def check_model_folder(model: str) -> None:
    """Find out early if a model that is named by its folder is not there.

    Raises:
        EngineError: It is not.
    """
    folder = Path(model)
    if (model.startswith(("/", ".")) or folder.exists()) and not (folder / "config.json").is_file():
        raise EngineError(f"there is no model in {model}: it has no config.json")


# --- private: in the thread ------------------------------------------------------------------------------------------


def _load(options: LocalOptions, max_segment_s: float, abandoned: threading.Event) -> "AsyncLLM":
    if importlib.util.find_spec("vllm") is None:
        raise EngineError("vLLM is not installed; add it with: uv sync --extra vllm")
    try:
        config, causes = _logging_files()
        read_causes(causes)  # of an engine that died
    except OSError as error:
        raise EngineError(f"there is no place for the engine's log: {error}") from error
    _set_environment(options, config)
    try:
        return _start(options, max_segment_s, abandoned)
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(explain(error, read_causes(causes), options.model)) from error


@cache
def _logging_files() -> tuple[Path, Path]:
    """One for all engines of this process: vLLM remembers where they are."""
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    folder = until_exit.enter_context(scratch_folder("qwen3-asr-engine-"))
    return write_logging_config(folder, os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"))


def _start(options: LocalOptions, max_segment_s: float, abandoned: threading.Event) -> "AsyncLLM":
    from vllm import AsyncEngineArgs  # noqa: PLC0415 - ten seconds, and only where this engine is chosen
    from vllm.platforms import current_platform  # noqa: PLC0415
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

    if current_platform.is_unspecified():
        raise EngineError("no GPU is visible here; vLLM needs one (nvidia-smi and CUDA_VISIBLE_DEVICES tell more)")
    if not current_platform.is_cpu() and current_platform.device_count() < options.tensor_parallel_size:
        raise EngineError(
            f"{options.tensor_parallel_size} GPUs are wanted, {current_platform.device_count()} are visible here"
        )
    arguments = engine_arguments(
        options, {field.name for field in fields(AsyncEngineArgs)}, max_segment_s=max_segment_s
    )
    config = AsyncEngineArgs(**arguments).create_engine_config()
    _take_over_logging()
    if ARCHITECTURE not in config.model_config.architectures:
        raise EngineError(f"{options.model} is no Qwen3-ASR but {', '.join(config.model_config.architectures)}")
    if abandoned.is_set():
        raise EngineError("loading was given up")
    with _without_interrupts():
        return AsyncLLM.from_vllm_config(config, disable_log_stats=arguments["disable_log_stats"])


def _set_environment(options: LocalOptions, logging_config: Path) -> None:
    """What vLLM takes from the environment. It reads most of it on import, its processes get all of it."""
    os.environ["VLLM_LOGGING_CONFIG_PATH"] = str(logging_config)
    # A fork would copy our threads' locks in whatever state they are, and our listening socket.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    os.environ["VLLM_ENGINE_READY_TIMEOUT_S"] = str(round(options.start_timeout_s))
    wishes: Mapping[str, str] = {
        "VLLM_NO_USAGE_STATS": "1",  # vLLM would report the use of the machine to its makers
        "TRANSFORMERS_VERBOSITY": "error",
    }
    for name, value in wishes.items():
        os.environ.setdefault(name, value)
    if options.use_modelscope:
        os.environ["VLLM_USE_MODELSCOPE"] = "True"


def _take_over_logging() -> None:
    """In this process what vLLM has to say goes the way of all our logs."""
    logger = logging.getLogger(CORE_LOGGER)
    logger.handlers.clear()
    logger.propagate = True


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes started within.

    A terminal sends it to all of them, and they would end at once, with the sentences this server is about to finish.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _engine_pids() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid is not None]
