"""What the benchmarks share: real speech with known transcripts, and sessions against a server of their own."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.client.events import Final, Preview
from qwen3_asr_realtime.client.local_server import LocalServer
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.client.transcription import SendLog, TranscribeOptions, Transcription
from qwen3_asr_realtime.load.figures import Spread, Stage
from qwen3_asr_realtime.load.fleet import Fleet
from qwen3_asr_realtime.load.measuring import measure
from qwen3_asr_realtime.load.recordings import find_sources, read_recording
from qwen3_asr_realtime.load.session import Pace
from qwen3_asr_realtime.load.usage import Usage, usage
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples, samples_from_ms
from qwen3_asr_realtime.server.address import REALTIME_PATH

SPEECH = Path(__file__).parents[1] / "tests" / "speech"

HANDSHAKE = (
    f"GET {REALTIME_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
"""For clients that speak WebSocket by hand."""


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


def server_command(name: str, *arguments: str) -> tuple[str, ...]:
    """What starts one of the servers in `servers/`."""
    return sys.executable, str(Path(__file__).with_name("servers") / f"{name}.py"), *arguments


def used(server: LocalServer) -> Usage:
    """What a server has used up to now."""
    if (now := usage(server.pid)) is None:
        raise ServerFailure("the server is gone, or this system has no /proc")
    return now


def fleet(
    server: LocalServer,
    *,
    duration_s: float,
    speed: float = 1.0,
    frame_ms: int = 100,
    seed: int = 1,
    stop: asyncio.Event,
) -> Fleet:
    """Clients in processes of their own, as `qwen3-asr-realtime bench` has them, with the recordings of the package.

    Args:
        server: Whom they talk to.
        duration_s: Audio of each session.
        speed: Multiple of real time.
        frame_ms: Audio in one append.
        seed: Which conversations.
        stop: Cuts them short.
    """
    sources = find_sources([])
    return Fleet(
        url=server.url,
        api_key=None,
        sources=sources,
        recordings=[read_recording(source) for source in sources],
        pace=Pace(mode="vad", frame_ms=frame_ms, speed=speed, silence_ms=None, language=None),
        duration_s=duration_s,
        seed=seed,
        server_pid=server.pid,
        stop=stop,
    )


async def alone_and_beside(
    company: Callable[[], AbstractAsyncContextManager[object]],
    server: LocalServer,
    *,
    sessions: int,
    rounds: int,
    seconds: float,
    ratio_limit: float,
) -> bool:
    """In every round, hold the same sessions alone and then beside `company`; print how long their finals took.

    Args:
        company: Those beside whom they are held, for a round.
        server: Whom all talk to.
        sessions: How many of them.
        rounds: How often.
        seconds: Audio of each session in a round.
        ratio_limit: How many times longer the p95 of finals may be in company.

    Returns:
        Whether it was not, and nothing was lost.
    """
    alone: list[Stage] = []
    beside: list[Stage] = []
    for number in range(rounds):
        few = fleet(server, duration_s=seconds, seed=100 + number, stop=asyncio.Event())
        alone.append(measure(await few.run(sessions, lambda progress: None)))
        async with company():
            beside.append(measure(await few.run(sessions, lambda progress: None)))
        print(f"round {number + 1}: p95 {alone[-1].final_ms.p95} ms, {beside[-1].final_ms.p95} ms", flush=True)
    rows = [[row for stage in stages for row in stage.details] for stages in (alone, beside)]
    finals = [Spread.of([row.final_ms for row in its if row.final_ms is not None]) for its in rows]
    firsts = [Spread.of([row.first_partial_ms for row in its if row.first_partial_ms is not None]) for its in rows]
    lost = [sum(stage.lost + stage.n_errors for stage in stages) for stages in (alone, beside)]
    print_table(
        [f"{sessions} sessions", "alone", "in company"],
        [
            ["finals", *(values.count for values in finals)],
            ["end of speech to final, median, ms", *(values.p50 for values in finals)],
            ["the same, p95", *(values.p95 for values in finals)],
            ["the same, maximum", *(values.max for values in finals)],
            ["first preview, p95, ms", *(values.p95 for values in firsts)],
            ["lost, and errors", *lost],
        ],
    )
    ratio = finals[1].p95 / finals[0].p95 if finals[0].p95 and finals[1].p95 else float("inf")
    print(f"\np95 in company: {ratio:.2f} times that without (at most {ratio_limit})")
    return ratio <= ratio_limit and not any(lost)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(lines))
