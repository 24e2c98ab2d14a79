"""The processes of a running server: which they are, and whether they have ended."""

from collections.abc import Sequence

import psutil

END_TIMEOUT_S = 60.0
"""A process that vLLM has just started sees that its parent is gone only when it has imported everything."""


def processes_of(pid: int) -> Sequence[psutil.Process]:
    """A process and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def engine_of(pid: int) -> psutil.Process | None:
    """The process of vLLM's engine in a server, None if there is none yet."""
    return next((process for process in processes_of(pid) if "EngineCore" in _title(process)), None)


def left_over(processes: Sequence[psutil.Process]) -> Sequence[str]:
    """What still runs of some processes when they have had time to end."""
    _, alive = psutil.wait_procs([process for process in processes if not _has_ended(process)], END_TIMEOUT_S)
    return [_title(process) for process in alive if not _has_ended(process)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""


def _has_ended(process: psutil.Process) -> bool:
    """A zombie has: nobody is left who would ask for its status."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
