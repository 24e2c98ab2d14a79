"""What the benchmarks share: real speech with known transcripts, and sessions against a server of their own."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.client.events import Final, Preview
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.client.transcription import SendLog, TranscribeOptions, Transcription
from qwen3_asr_realtime.load.fleet import Fleet
from qwen3_asr_realtime.load.recordings import find_sources, read_recording
from qwen3_asr_realtime.load.session import Pace
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms

SPEECH = Path(__file__).parents[1] / "tests" / "speech"


@dataclass(frozen=True)
class Clip:
    """A recording of one or more sentences, where in it they are spoken, and what is said."""

    name: str
    samples: Samples
    speech: slice
    transcript: str


def english_clips() -> list[Clip]:
    """The English recordings of `tests/speech`, in the order of their manifest."""
    manifest = json.loads((SPEECH / "manifest.json").read_text())
    return [
        Clip(
            entry["file"],
            read_samples(SPEECH / entry["file"]),
            slice(*map(samples_from_ms, entry["speech_ms"])),
            entry["transcript"],
        )
        for entry in manifest
        if entry["language"] == "en"
    ]


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


class ServerFailure(Exception):
    """The server answered with an error, or an item failed."""


@dataclass(frozen=True)
class Result:
    """Everything one session said."""

    previews: list[Preview]
    finals: list[Final]
    log: SendLog

    @property
    def text(self) -> str:
        """All finals, joined."""
        return " ".join(final.transcript for final in self.finals)

    def delay_s(self, event: Final | Preview, audio_ms: float) -> float:
        """From the moment the audio at `audio_ms` was sent to the event."""
        sent_s = self.log.sent_at_s(audio_ms)
        if sent_s is None:
            raise ValueError(f"no audio was sent at {audio_ms} ms")
        return event.received_s - sent_s


async def transcribe(server: LocalServer, samples: Samples, options: TranscribeOptions) -> Result:
    """Stream samples through one session and return what came back."""
    result = Result([], [], SendLog())
    async with (
        RealtimeClient(server.url) as client,
        Transcription(client, samples, options) as transcription,
    ):
        async for event in transcription:
            if isinstance(event, Final):
                result.finals.append(event)
            elif isinstance(event, Preview):
                result.previews.append(event)
            else:
                raise ServerFailure(str(event))
        return Result(result.previews, result.finals, transcription.log)


def fleet(server: LocalServer, *, duration_s: float, speed: float = 1.0, seed: int = 1, stop: asyncio.Event) -> Fleet:
    """Clients in processes of their own, as `qwen3-asr-realtime bench` has them, with the recordings of the package.

    Args:
        server: Whom they talk to.
        duration_s: Audio of each session.
        speed: Multiple of real time.
        seed: Which conversations.
        stop: Cuts them short.
    """
    sources = find_sources([])
    return Fleet(
        url=server.url,
        api_key=None,
        sources=sources,
        recordings=[read_recording(source) for source in sources],
        pace=Pace(mode="vad", frame_ms=100, speed=speed, silence_ms=None, language=None),
        duration_s=duration_s,
        seed=seed,
        server_pid=server.pid,
        stop=stop,
    )


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(lines))
