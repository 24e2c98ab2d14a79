"""Which engine runs: the one place that knows them all, each imported only when chosen."""

from qwen3_asr_realtime.engines.base import Engine, EngineError
from qwen3_asr_realtime.settings import Settings, cpu_cores


def select_engine(settings: Settings) -> Engine:
    """Return the engine the settings name, not yet started. `auto` is the best that runs here.

    Raises:
        EngineError: It does not exist in this version, or its library is not installed.
    """
    match settings.asr_engine:
        case "auto" | "embedded":
            from qwen3_asr_realtime.engines.embedded import EmbeddedEngine  # noqa: PLC0415 - loaded when chosen

            return EmbeddedEngine(workers=settings.embedded_workers or cpu_cores())
        case "scripted":
            from qwen3_asr_realtime.engines.scripted import ScriptedEngine  # noqa: PLC0415 - loaded when chosen

            return ScriptedEngine()
        case name:
            raise EngineError(f"ASR_ENGINE={name} is not part of this version; use auto or embedded")
