"""Ends the engine's processes when the server is gone, whatever way it went.

vLLM runs its engine in processes of its own, and after a crash or a `kill -9` of the server they stay: idle, with all
their GPU memory (seen with vLLM 0.32). No process can clean up after its own violent death, so a small one does it that
sees the end of a pipe. Death signals of the kernel (`PR_SET_PDEATHSIG`) are no way: they follow the thread that started
a process, not the server.

This file is also the program of that process; it is run by its path and needs nothing but the standard library.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 2.0
"""Time from SIGTERM to SIGKILL. Shared memory is given back in either case, by the resource tracker of Python."""

CHECK_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told from a later one with the same number.

    Attributes:
        pid: Its number.
        started_at: When it started, in the kernel's clock ticks since boot.
    """

    pid: int
    started_at: int

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The process that has this number now, or None if there is none or it has ended (a zombie)."""
        fields = _stat_fields(pid)
        return None if fields is None or fields[_STATE] in b"ZX" else cls(pid, int(fields[_STARTED_AT]))

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return ProcessIdentity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self.runs:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


class Guardian:
    """The server's end of the pipe. Without `/proc` (not Linux) it guards nothing."""

    def __init__(self) -> None:
        """Start the process; it takes a few milliseconds and 8 MB.

        Raises:
            OSError: It does not start.
        """
        self._watched: set[ProcessIdentity] = set()
        # A session of its own: Ctrl-C goes to the whole group of the terminal, and it is to outlive that.
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )

    def watch(self, pids: Iterable[int]) -> None:
        """Guard these processes and all their descendants that there are now. Cheap to repeat: about 5 ms.

        Raises:
            OSError: The guardian itself is gone.
        """
        children = _children()
        tree = list(pids)
        for pid in tree:
            tree.extend(children.get(pid, ()))
        for process in filter(None, map(ProcessIdentity.of, tree)):
            if process not in self._watched:
                self._watched.add(process)
                self._write(f"{process.pid} {process.started_at}\n")

    def close(self) -> None:
        """Have it end what still runs of all it guards, and end itself. Takes up to `GRACE_S`; safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _write(self, line: str) -> None:
        if self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(line.encode())


_STATE, _PARENT, _STARTED_AT = 0, 1, 19
"""Fields of `/proc/PID/stat` after the name (proc_pid_stat(5): fields 3, 4 and 22)."""


def _stat_fields(pid: int) -> list[bytes] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return stat.rpartition(b")")[2].split()  # the name before it may hold anything, blanks and brackets too


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        fields = _stat_fields(int(path.name))
        if fields is not None:
            children.setdefault(int(fields[_PARENT]), []).append(int(path.name))
    return children


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes = [ProcessIdentity(*map(int, line.split())) for line in sys.stdin]  # until the server is gone
    for process in processes:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(process.runs for process in processes):
        time.sleep(CHECK_S)
    for process in processes:
        process.send(signal.SIGKILL)


if __name__ == "__main__":
    _main()
