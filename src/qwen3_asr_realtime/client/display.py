"""How a running transcription is shown: live on a terminal, as plain lines elsewhere, or as JSON lines.

Text from a server is never trusted with the terminal: control characters become blanks.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import msgspec
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from qwen3_asr_realtime.client.events import Failed, Final, Preview, ServerError, TranscriptEvent
from qwen3_asr_realtime.client.transcription import SendLog

PROGRESS_FROM_S = 15.0
"""Audio shorter than this gets no progress bar."""

_REFRESHES_PER_S = 10
_PROGRESS_TEXT = "{task.completed:.0f} of {task.total:.0f} s"
_CONTROLS_TO_BLANKS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
_JSON_TYPES: dict[type[TranscriptEvent], str] = {
    Preview: "preview",
    Final: "final",
    Failed: "failed",
    ServerError: "error",
}


class Display(Protocol):
    """Shows the events of one file after the other."""

    def open(self, file: str, duration_s: float, log: SendLog) -> AbstractContextManager[None]:
        """Show a file for as long as the context lasts.

        Args:
            file: Its name.
            duration_s: Length of its audio in seconds.
            log: Tells how much of the audio has been sent.
        """
        ...

    def show(self, event: TranscriptEvent) -> None:
        """Show an event of the open file."""
        ...


def choose_display(console: Console, *, json_output: bool, many_files: bool) -> Display:
    """The display that suits the console; `many_files` makes the human ones name the file of each text."""
    if json_output:
        return JsonDisplay(console)
    # Asked of the file itself: FORCE_COLOR makes rich take a pipe for a terminal.
    if console.is_interactive and console.file.isatty():
        return LiveDisplay(console, many_files=many_files)
    return PlainDisplay(console, many_files=many_files)


class JsonDisplay:
    """One JSON object a line for every event: `type`, `file`, and the fields of the event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._file = ""

    @contextmanager
    def open(self, file: str, duration_s: float, log: SendLog) -> Iterator[None]:
        """Put `file` into the objects."""
        self._file = file
        yield

    def show(self, event: TranscriptEvent) -> None:
        """Write the event at once."""
        fields: dict[str, Any] = {"type": _JSON_TYPES[type(event)], "file": self._file, **msgspec.to_builtins(event)}
        _write_line(self._console, msgspec.json.encode(fields).decode())


class PlainDisplay:
    """One line for every final with words in it, and no control codes. With many files, lines begin with the name."""

    def __init__(self, console: Console, *, many_files: bool) -> None:
        self._console = console
        self._many_files = many_files
        self._prefix = ""

    @contextmanager
    def open(self, file: str, duration_s: float, log: SendLog) -> Iterator[None]:
        """Begin the lines of `file`."""
        self._prefix = f"{printable(file)}: " if self._many_files else ""
        yield

    def show(self, event: TranscriptEvent) -> None:
        """Write a final; drop all else."""
        if isinstance(event, Final) and event.transcript:
            _write_line(self._console, self._prefix + final_line(event))


class LiveDisplay:
    """Finals scroll up; below them a line with the preview and, for long files, a bar of the audio sent."""

    def __init__(self, console: Console, *, many_files: bool) -> None:
        self._console = console
        self._many_files = many_files
        self._preview: Preview | None = None

    @contextmanager
    def open(self, file: str, duration_s: float, log: SendLog) -> Iterator[None]:
        """Draw until the context ends, then leave the finals alone on the screen."""
        if self._many_files:
            self._console.print(Text(printable(file), style="bold"))
        bar = Progress(BarColumn(), TextColumn(_PROGRESS_TEXT), console=self._console, auto_refresh=False)
        sent = bar.add_task("", total=duration_s)

        def draw() -> RenderableType:
            line = preview_line(self._preview, self._console.width)
            if duration_s < PROGRESS_FROM_S:
                return line
            bar.update(sent, completed=log.sent_ms / 1000)
            return Group(line, bar.get_renderable())

        with Live(get_renderable=draw, console=self._console, transient=True, refresh_per_second=_REFRESHES_PER_S):
            yield
        self._preview = None

    def show(self, event: TranscriptEvent) -> None:
        """Keep a preview for the next redraw; print a final."""
        self._preview = event if isinstance(event, Preview) else None
        if isinstance(event, Final) and event.transcript:
            # The terminal wraps it: rich would break CJK text after the time stamp, its only blank.
            self._console.print(Text(final_line(event)), soft_wrap=True)


def final_line(final: Final) -> str:
    """A final as a line: `[00:01.24 – 00:04.18] text`, or the text alone where its place is not known."""
    text = printable(final.transcript)
    if final.start_ms is None or final.end_ms is None:
        return text
    return f"[{_clock(final.start_ms)} – {_clock(final.end_ms)}] {text}"


def preview_line(preview: Preview | None, width: int) -> Text:
    """A preview as one line of at most `width` terminal cells: `text` solid, `stash` dim.

    What does not fit is cut from the front, because the newest words are at the end. CJK characters take two cells.
    """
    if preview is None:
        return Text("")
    line = Text.assemble(printable(preview.text), (printable(preview.stash), "dim"), no_wrap=True)
    if line.cell_len <= width:
        return line
    room = width - cell_len("…")
    start = max(0, len(line) - room)
    while cell_len(line.plain[start:]) > room:
        start += 1
    return Text.assemble(("…", "dim"), line[start:], no_wrap=True)


def printable(text: str) -> str:
    """`text` in one line, without characters that control a terminal."""
    return text.translate(_CONTROLS_TO_BLANKS)


def _clock(position_ms: int) -> str:
    minutes, rest_ms = divmod(position_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02d}:{rest_ms // 1000:02d}.{rest_ms % 1000 // 10:02d}"
    return f"{hours}:{clock}" if hours else clock


def _write_line(console: Console, line: str) -> None:
    # Past rich, which wraps and styles.
    console.file.write(line + "\n")
    console.file.flush()
