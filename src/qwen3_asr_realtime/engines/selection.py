"""Which engine runs: the one place that knows them all, each imported only when chosen."""

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from qwen3_asr_realtime.engines.base import Engine, EngineError, model_name
from qwen3_asr_realtime.settings import Settings, cpu_cores

if TYPE_CHECKING:
    from qwen3_asr_realtime.engines.vllm.stream import StreamLimits

log = structlog.get_logger()


def selected_name(settings: Settings) -> str:
    """Name of the engine that the settings mean; `auto` is the best that runs here."""
    if settings.asr_engine != "auto":
        return settings.asr_engine
    return "vllm" if _has_vllm_and_gpu() else "embedded"


def select_engine(settings: Settings) -> Engine:
    """Return the engine the settings mean, not yet started.

    Raises:
        EngineError: It does not exist in this version, or its library is not installed.
    """
    match selected_name(settings):
        case "scripted":
            from qwen3_asr_realtime.engines.scripted import ScriptedEngine  # noqa: PLC0415 - loaded when chosen

            return ScriptedEngine()
        case "vllm-remote":
            return _remote_vllm(settings)
        case "vllm":
            return _local_vllm(settings)
        case _:
            return _embedded(settings)


def _embedded(settings: Settings) -> Engine:
    from qwen3_asr_realtime.engines.embedded import EmbeddedEngine  # noqa: PLC0415 - loaded when chosen
    from qwen3_asr_realtime.models.catalogue import NO_WHISPER, in_table  # noqa: PLC0415 - likewise
    from qwen3_asr_realtime.models.store import FETCH, ModelMissing, is_present, locate  # noqa: PLC0415 - likewise

    workers = settings.embedded_workers or settings.worker_share(cpu_cores())
    name, models_dir = settings.whisper_model, settings.models_folder
    if name == NO_WHISPER:
        return EmbeddedEngine(workers)
    try:
        if not is_present(name, models_dir):
            locate(name, models_dir)  # says whether it is missing or damaged
    except ModelMissing:
        log.warning("English only", missing_model=name, get_it=f"{FETCH} {name}")
        return EmbeddedEngine(workers)
    known = in_table(name)
    return EmbeddedEngine(workers, partial(locate, name, models_dir), known.name if known else model_name(name))


def _local_vllm(settings: Settings) -> Engine:
    from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions  # noqa: PLC0415 - likewise
    from qwen3_asr_realtime.engines.vllm.local.engine import LocalVllmEngine  # noqa: PLC0415 - likewise

    return LocalVllmEngine(
        LocalOptions(
            model=_local_model(settings),
            use_modelscope=settings.vllm_use_modelscope,
            dtype=settings.model_dtype,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            tensor_parallel_size=settings.tensor_parallel_size,
            max_num_seqs=settings.vllm_max_num_seqs,
            max_model_len=settings.vllm_max_model_len,
            extra_args=settings.vllm_engine_args,
            start_timeout_s=settings.engine_start_timeout_sec,
            max_backoff_s=settings.engine_restart_max_delay_sec,
        ),
        _stream_limits(settings),
    )


def _local_model(settings: Settings) -> str:
    """What vLLM is to load: the folder of a model that was fetched, or else what the setting says."""
    from qwen3_asr_realtime.models.catalogue import in_table  # noqa: PLC0415 - likewise
    from qwen3_asr_realtime.models.store import given_folder, is_present, locate  # noqa: PLC0415 - likewise

    given, models_dir = settings.qwen3_asr_model_path, settings.models_folder
    if (folder := given_folder(given)) is not None:
        return str(folder)
    return str(locate(given, models_dir)) if in_table(given) and is_present(given, models_dir) else given


def _remote_vllm(settings: Settings) -> Engine:
    from qwen3_asr_realtime.engines.vllm.remote.engine import RemoteVllmEngine  # noqa: PLC0415 - likewise
    from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions  # noqa: PLC0415 - likewise

    endpoints = tuple(url.strip() for url in settings.vllm_endpoints.split(",") if url.strip())
    if not endpoints:
        raise EngineError("ASR_ENGINE=vllm-remote needs VLLM_ENDPOINTS, such as http://10.0.0.5:8000")
    return RemoteVllmEngine(
        RemoteOptions(
            endpoints=endpoints,
            api_key=settings.vllm_api_key.get_secret_value(),
            model=settings.qwen3_asr_model_path,
            concurrency_per_endpoint=settings.worker_share(settings.vllm_max_num_seqs),
            connect_timeout_s=settings.vllm_connect_timeout_sec,
            request_timeout_s=settings.vllm_request_timeout_sec,
            probe_interval_s=settings.vllm_probe_interval_sec,
        ),
        _stream_limits(settings),
    )


def _stream_limits(settings: Settings) -> "StreamLimits":
    from qwen3_asr_realtime.engines.vllm.stream import StreamLimits  # noqa: PLC0415 - likewise

    return StreamLimits(
        max_segment_s=settings.vllm_max_segment_sec,
        max_new_tokens=settings.max_new_tokens,
        max_context_tokens=settings.max_context_tokens,
    )


def _has_vllm_and_gpu() -> bool:
    if find_spec("vllm") is None or find_spec("torch") is None:
        return False
    import torch  # noqa: PLC0415 - comes with vLLM alone

    return bool(torch.cuda.device_count())
