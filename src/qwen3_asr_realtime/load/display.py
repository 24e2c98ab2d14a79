"""What is seen of a running test: a bar and a table on a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from qwen3_asr_realtime.client.display import printable
from qwen3_asr_realtime.load.figures import Report, Stage
from qwen3_asr_realtime.load.fleet import OnProgress
from qwen3_asr_realtime.load.summary import FIGURES, conditions, n_sessions, notes, stage_line, verdict_line
from qwen3_asr_realtime.load.worker import Progress as StageProgress


class Display(Protocol):
    """Shows a test from its first stage to its end."""

    @contextmanager
    def stage(self, sessions: int, audio_s: float) -> Iterator[OnProgress]:
        """Show a stage while the context lasts; what it yields takes the progress."""
        ...

    def result(self, stage: Stage) -> None:
        """Show a stage that is over."""
        ...

    def report(self, report: Report) -> None:
        """Show everything."""
        ...


def choose_display(console: Console) -> Display:
    """The display that suits the console."""
    # Asked of the file itself: FORCE_COLOR makes rich take a pipe for a terminal.
    if console.is_interactive and console.file.isatty():
        return LiveDisplay(console)
    return PlainDisplay(console)


class PlainDisplay:
    """A line when a stage begins, one when it is over, and one for every limit."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, sessions: int, audio_s: float) -> Iterator[OnProgress]:
        """Say that it begins."""
        self._write(f"{n_sessions(sessions)}, {audio_s:.0f} s of audio in all …")
        yield lambda progress: None

    def result(self, stage: Stage) -> None:
        """Write its main figures."""
        self._write(stage_line(stage))
        for message, count in stage.errors.items():
            self._write(f"  {count} x {message}")

    def report(self, report: Report) -> None:
        """Write what stage lines do not say."""
        for line in [*notes(report), *map(verdict_line, report.verdicts)]:
            self._write(line)

    def _write(self, line: str) -> None:
        # Past rich, which wraps and styles. What a server sent is never trusted with the terminal.
        self._console.file.write(printable(line) + "\n")
        self._console.file.flush()


class LiveDisplay:
    """A bar while a stage runs, and the whole table at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, sessions: int, audio_s: float) -> Iterator[OnProgress]:
        """Draw the bar until the context ends."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(n_sessions(sessions), total=audio_s, now="")

            def show(progress: StageProgress) -> None:
                state = (
                    f"{progress.talking} talking, {progress.finals} finals, {progress.failures} broken, "
                    f"clients late by {progress.late_ms} ms"
                )
                bar.update(task, completed=progress.sent_ms / 1000, now=state)

            yield show

    def result(self, stage: Stage) -> None:
        """Write its main figures."""
        self._console.print(Text(stage_line(stage)))

    def report(self, report: Report) -> None:
        """Write the table, errors, notes and limits."""
        table = Table("", header_style="bold", box=None, pad_edge=False)
        for stage in report.stages:
            table.add_column(n_sessions(stage.sessions), justify="right")
        for figure in FIGURES:
            table.add_row(figure.name, *(figure.text(stage) for stage in report.stages))
        for line in conditions(report):
            self._console.print(Text(printable(line), style="dim"))
        self._console.print(table)
        for stage in report.stages:
            for message, count in stage.errors.items():
                self._console.print(
                    Text(printable(f"{n_sessions(stage.sessions)}: {count} x {message}"), style="yellow")
                )
        for note in notes(report):
            self._console.print(Text(printable(note), style="yellow"))
        for verdict in report.verdicts:
            self._console.print(Text(verdict_line(verdict), style="green" if verdict.within else "bold red"))
