"""The signals that ask the process to stop."""

import asyncio
import signal
from collections.abc import Callable

REPEAT_S = 1.0
"""Signals this close together are one. Whoever stops a whole group of processes is heard twice by those whose parent
passes the signal on: `make`, under Ctrl-C or systemd."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Calls back at the first SIGINT or SIGTERM, and at a further one.

    Attributes:
        on_stop: For the first.
        on_force: For each that comes more than `REPEAT_S` later.
    """

    def __init__(self, on_stop: Callable[[], object]) -> None:
        self.on_stop = on_stop
        self.on_force = on_stop
        self._loop = asyncio.get_running_loop()
        self._first_s: float | None = None
        self.listen()

    def listen(self) -> None:
        """Take the signals over, or back from a library that has taken them meanwhile."""
        for number in STOP_SIGNALS:
            self._loop.remove_signal_handler(number)
            self._loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """A signal has come, or what is as good as one."""
        now_s = self._loop.time()
        if self._first_s is None:
            self._first_s = now_s
            self.on_stop()
        elif now_s - self._first_s > REPEAT_S:
            self.on_force()
