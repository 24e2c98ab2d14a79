"""How far a download is: bars on a terminal, a line for each file elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class Display:
    """Shows on standard error what is being fetched."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    def say(self, line: str) -> None:
        """Show one line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def transfer(self, what: str, size: int | None) -> Iterator[Callable[[int], None]]:
        """Show a transfer while it lasts.

        Args:
            what: What is transferred, and from where.
            size: Bytes it has; None if nobody knows.

        Yields:
            To be called with the bytes that are there.
        """
        if not self._console.is_terminal:
            self.say(what if size is None else f"{what}, {decimal(size)}")
            yield lambda _: None
            return
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) if size else ()
        text = TextColumn("{task.description}", markup=False)
        with Progress(text, *columns, console=self._console) as progress:
            task = progress.add_task(what, total=size)
            yield lambda there: progress.update(task, completed=there)
