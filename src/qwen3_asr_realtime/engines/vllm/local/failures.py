"""Why an engine did not start, in one line for the operator."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

CORE_LOGGER: Final = "vllm"

_MEMORY = re.compile(
    r"out of memory|free memory|available memory|cache memory|kv cache is needed|cannot allocate memory",
    re.IGNORECASE,
)
_KILLED = re.compile(r"'\w+': -9\b")
_VALIDATION = re.compile(r"\d+ validation errors? for ")
_HUB = re.compile(
    r"huggingface|hf_hub|hf\.co|modelscope|is not a local folder|max retries exceeded|LocalEntryNotFound|OfflineMode",
    re.IGNORECASE,
)


class CauseRecorder(logging.Handler):
    """Appends the exception of every error to a file, one line each.

    The engine's processes log why they fail, and tell the process that started them only that they did. So this handler
    runs in them (`logging_config`), and `read_causes` here.
    """

    def __init__(self, path: str) -> None:
        """Record into the file at `path`."""
        super().__init__(logging.ERROR)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Record the exception of a log record that has one."""
        if record.exc_info and record.exc_info[1] is not None:
            try:
                with Path(self._path).open("a", encoding="utf-8") as file:
                    file.write(one_line(record.exc_info[1]) + "\n")
            except OSError:  # a full disk must not end an engine that only wanted to log
                self.handleError(record)


def logging_config(causes: Path, level: str) -> Mapping[str, Any]:
    """How the engine's processes log: to standard error, and the causes of failures to a file.

    Args:
        causes: The file.
        level: Least severe messages to log.
    """
    recorder = f"{CauseRecorder.__module__}.{CauseRecorder.__qualname__}"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(processName)s %(name)s: %(message)s"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "causes": {"()": recorder, "path": str(causes)},
        },
        "loggers": {CORE_LOGGER: {"handlers": ["console", "causes"], "level": level, "propagate": False}},
    }


def write_logging_config(folder: Path, level: str) -> tuple[Path, Path]:
    """Write `logging_config` to a file.

    Returns:
        That file, and the file of causes, which does not exist yet.
    """
    config, causes = folder / "logging.json", folder / "causes"
    config.write_text(json.dumps(logging_config(causes, level)), encoding="utf-8")
    return config, causes


def read_causes(causes: Path) -> Sequence[str]:
    """What was recorded, oldest first; the file is emptied."""
    if not causes.exists():
        return ()
    lines = causes.read_text(encoding="utf-8", errors="replace").splitlines()  # the last one may be cut
    causes.unlink()
    return lines


def explain(error: BaseException, causes: Sequence[str], model: str) -> str:
    """Say in one line why the engine did not start and, where that is known, what to do.

    Args:
        error: What vLLM raised in this process.
        causes: What its processes recorded, oldest first: what happened first made the others fail.
        model: The model as the operator named it.
    """
    reasons = [*causes, *map(one_line, _chain(error))]
    everything = "\n".join([*reasons, *map(str, _chain(error))])
    if memory := next((reason for reason in reasons if _MEMORY.search(reason)), None):
        return f"not enough memory for {model}: {memory} (see GPU_MEMORY_UTILIZATION)"
    if _HUB.search(everything):
        return (
            f"cannot get {model} from its hub: {reasons[0]} "
            "(set QWEN3_ASR_MODEL_PATH to a folder with the weights, or HF_ENDPOINT to a mirror)"
        )
    if not causes and _KILLED.search(everything):
        return f"not enough memory for {model}: the system killed the engine's process"
    return f"vLLM does not start with {model}: {reasons[0]}"


def one_line(error: BaseException) -> str:
    """An exception's type and what its message says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and _VALIDATION.match(lines[0]):  # pydantic's: then the name of the field, then what is wrong with it
        lines = [": ".join(line.partition(" [type=")[0] for line in lines[1:3] if not line.startswith("For further"))]
    return ": ".join([type(error).__name__, *lines[:1]])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
