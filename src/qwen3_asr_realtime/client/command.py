"""The `transcribe` command: files in, text out, an exit code for scripts."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from qwen3_asr_realtime.audio.errors import AudioError
from qwen3_asr_realtime.audio.files import read_samples
from qwen3_asr_realtime.client.display import Display, choose_display, printable
from qwen3_asr_realtime.client.events import Failed, ServerError
from qwen3_asr_realtime.client.realtime import ClientError, RealtimeClient
from qwen3_asr_realtime.client.transcription import Mode, TranscribeOptions, Transcription

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def run_transcribe(
    files: Sequence[str | Path],
    *,
    url: str,
    mode: Mode = "vad",
    speed: float = 1.0,
    language: str | None = None,
    context: str = "",
    api_key: str | None = None,
    json_output: bool = False,
    console: Console | None = None,
) -> int:
    """Transcribe audio files one after the other and show the results while they come.

    Every failure is one line on standard error, and the next file is tried all the same.

    Args:
        files: Paths of audio files.
        url: WebSocket address of the server.
        mode: `vad` or `manual`.
        speed: Multiple of real time at which audio is sent; `math.inf` for as fast as possible.
        language: Code of the spoken language; None to detect it.
        context: Text that names what may be spoken of.
        api_key: Key to show to the server, if it wants one.
        json_output: Write JSON lines instead of text.
        console: Where to write; standard output if None.

    Returns:
        The exit code: 0 if every file was transcribed, 1 if not, 130 after Ctrl-C.

    Raises:
        ValueError: `speed` is not above 0.
    """
    run = _Run(
        url=url,
        api_key=api_key,
        options=TranscribeOptions(mode=mode, speed=speed, language=language, context=context),
        display=choose_display(console or Console(), json_output=json_output, many_files=len(files) > 1),
    )
    failed_files = 0
    try:
        for file in map(str, files):
            failures = run.transcribe(file)
            for failure in failures:
                _complain(failure)
            failed_files += bool(failures)
    except KeyboardInterrupt:
        _complain("interrupted")
        return EXIT_INTERRUPTED
    if len(files) > 1:
        _complain(f"{len(files) - failed_files} of {len(files)} files transcribed")
    return EXIT_FAILED if failed_files else EXIT_OK


@dataclass(frozen=True, slots=True)
class _Run:
    """What all files of one command have in common."""

    url: str
    api_key: str | None
    options: TranscribeOptions
    display: Display

    def transcribe(self, file: str) -> list[str]:
        """Transcribe one file and return what went wrong, one line each."""
        # A name that is not UTF-8 could not be written.
        name = os.fsencode(file).decode(errors="replace")
        failures: list[str] = []
        try:
            samples = read_samples(file, self.options.sample_rate)
            asyncio.run(self._stream(name, samples, failures))
        except AudioError as error:
            failures.append(error.message)  # which names the file
        except ClientError as error:
            failures.append(f"{name}: {error}")
        return failures

    async def _stream(self, name: str, samples: NDArray[np.float32], failures: list[str]) -> None:
        async with (
            RealtimeClient(self.url, api_key=self.api_key) as client,
            Transcription(client, samples, self.options) as transcription,
        ):
            with self.display.open(name, samples.size / self.options.sample_rate, transcription.log):
                async for event in transcription:
                    self.display.show(event)
                    if isinstance(event, Failed):
                        failures.append(f"{name}: an utterance failed: {event.message}")
                    elif isinstance(event, ServerError):
                        failures.append(f"{name}: server error: {event.message}")


def _complain(line: str) -> None:
    sys.stderr.write(printable(line) + "\n")
