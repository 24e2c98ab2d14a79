"""Running the programs of this folder with one version of the SDK, and reading what they saw."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
PROGRAM_TIMEOUT_S = 90

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
CREATED = "conversation.item.created"
TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"

SENTENCE = "He might even have been made amiable himself"
COMMAND = "Go forward ten meters"
"""What is spoken in the recordings `sentence` and `sentences`."""

VAD_ITEM = [STARTED, STOPPED, COMMITTED, CREATED, COMPLETED]
MANUAL_ITEM = [COMMITTED, CREATED, COMPLETED]
"""The life of an item, without its previews."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a program: what it saw, when on the machine's monotonic clock, and details."""

    saw: str
    at_s: float
    details: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """Everything a program saw, in order."""

    lines: Sequence[Line]

    def one(self, saw: str) -> Line:
        """The only line of its kind."""
        (line,) = [line for line in self.lines if line.saw == saw]
        return line

    @property
    def events(self) -> list[Event]:
        """The server's events."""
        return [line.details["event"] for line in self.lines if line.saw == "event"]

    def of_type(self, event_type: str) -> list[Event]:
        """The server's events of one type."""
        return [event for event in self.events if event["type"] == event_type]

    def at_s(self, event_type: str) -> float:
        """When the last event of a type came."""
        return [line.at_s for line in self.lines if line.details.get("event", {}).get("type") == event_type][-1]

    @property
    def transcripts(self) -> list[str]:
        """The final transcripts."""
        return [event["transcript"] for event in self.of_type(COMPLETED)]

    @property
    def spoken(self) -> list[str]:
        """The same without commas and full stops, which depend on every sample at the edges of an item."""
        return [re.sub(r"[,.]", "", transcript) for transcript in self.transcripts]

    @property
    def items(self) -> list[list[str]]:
        """The types of the events of each item but its previews, in the order in which the items began."""
        items: dict[str, list[str]] = {}
        for event in self.events:
            item_id = event.get("item_id") or event.get("item", {}).get("id")
            if item_id is not None and event["type"] != TEXT:
                items.setdefault(item_id, []).append(event["type"])
        return list(items.values())


class Program:
    """A program of this folder, running.

    Attributes:
        process: It; its standard input is open.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, saw: str) -> None:
        """Return once it has printed such a line."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if json.loads(text)["saw"] == saw:
                return
        raise AssertionError(f"it never saw {saw!r}: {self.process.communicate()[1]}")

    def seen(self) -> Seen:
        """What it saw, up to its end; which must be a good one: no exception, in no thread."""
        output, errors = self.process.communicate(timeout=PROGRAM_TIMEOUT_S)
        assert self.process.returncode == 0, errors + output
        assert "Traceback" not in errors, errors
        parsed = [json.loads(text) for text in output.splitlines()]
        return Seen([Line(fields.pop("saw"), fields.pop("at_s"), fields) for fields in parsed])

    def kill(self) -> None:
        """End it without a word, if it has not ended."""
        self.process.kill()
        self.process.communicate()


@dataclass(frozen=True)
class Sdk:
    """A Python that has one version of the SDK and what it depends on, and nothing else."""

    version: str
    python: Path

    def start(self, program: str, url: str, audio: Path) -> Program:
        """Start a program of this folder."""
        return Program([str(self.python), str(PROGRAMS / f"{program}.py"), "--url", url, "--audio", str(audio)])

    def run(self, program: str, url: str, audio: Path) -> Seen:
        """Run a program to its end."""
        running = self.start(program, url, audio)
        try:
            return running.seen()
        finally:
            running.kill()
