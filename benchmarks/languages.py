"""What the embedded engine makes of Chinese and English, with the language given and detected: errors, latency, CPU.

    python benchmarks/languages.py [--rounds 4]

The recordings of `tests/speech` are spoken one after the other, as often as there are rounds, with their own room tone
between, at real time, to a server of its own for each line; two sessions speak at the same time where it says so. Needs
the weights of the other languages (`qwen3-asr-realtime models fetch`).

Exits with 1 if one Chinese session's finals come later than 900 ms after the silence that ends a turn (median), if more
than 4 of the 26 Chinese characters are wrong on average, if a language is not what was spoken, or if one of two
sessions had no previews.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from statistics import median

import numpy as np

from harness import SPEECH, Result, print_table, transcribe, used
from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.load.error_rate import Errors, word_errors
from qwen3_asr_realtime.load.recordings import Recording, find_sources, read_recording
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE, ms_from_samples

PAUSE_S = 1.2
SILENCE_MS = 400
FINAL_LIMIT_MS = SILENCE_MS + 900
WRONG_LIMIT = 4 / 26
CASES = [("zh", "zh", 1), ("zh", None, 1), ("zh", "zh", 2), ("zh", None, 2), ("en", "en", 1), ("en", None, 1)]


@dataclass(frozen=True)
class Line:
    """What came of one case."""

    spoken: str
    sessions: int
    wrong: Errors
    languages: set[str]
    final_ms: list[float]
    first_preview_ms: list[float]
    previews: list[int]
    cpu_s: float

    @property
    def holds(self) -> bool:
        """Whether it is as it should be."""
        right = self.languages == {self.spoken} and all(self.previews)
        if self.spoken == "zh":
            right &= (self.wrong.rate or 0.0) <= WRONG_LIMIT
            right &= self.sessions > 1 or median(self.final_ms) <= FINAL_LIMIT_MS
        return right


async def run(spoken: str, given: str | None, sessions: int, rounds: int) -> Line:
    recordings = [read_recording(source) for source in find_sources([SPEECH / "manifest.json"], language=spoken)]
    audio, ends_ms = conversation(recordings * rounds)
    options = TranscribeOptions(language=given, vad_silence_ms=SILENCE_MS)
    with local_server() as server:
        before = used(server)
        results = await asyncio.gather(*(transcribe(server, audio, options) for _ in range(sessions)))
        cpu_s = used(server).cpu_s - before.cpu_s
    said = " ".join(recording.transcript or "" for recording in recordings * rounds)
    wrong = sum((word_errors(said, result.text) for result in results), Errors())
    finals = [final for result in results for final in result.finals]
    return Line(
        spoken,
        sessions,
        wrong,
        {final.language for final in finals if final.transcript},
        [delay for result in results for delay in final_delays_ms(result, ends_ms)],
        [delay for result in results for delay in first_preview_delays_ms(result)],
        [len(result.previews) for result in results],
        cpu_s / len(ends_ms) / sessions,
    )


def conversation(recordings: list[Recording]) -> tuple[np.ndarray, list[int]]:
    """The recordings with pauses between, and where the speech of each ends."""
    audio, ends_ms = NO_SAMPLES, []
    for recording in recordings:
        ends_ms.append(ms_from_samples(len(audio) + recording.speech[1]))
        pause = np.resize(recording.room, int(PAUSE_S * SAMPLE_RATE))
        audio = np.concatenate((audio, recording.samples, pause))
    return audio, ends_ms


def final_delays_ms(result: Result, ends_ms: list[int]) -> list[float]:
    """From the end of each recording's speech to the last final that has begun before it."""
    delays = []
    for end_ms in ends_ms:
        begun = [final for final in result.finals if final.start_ms is not None and final.start_ms < end_ms]
        if begun:
            delays.append(1000 * result.delay_s(begun[-1], end_ms))
    return delays


def first_preview_delays_ms(result: Result) -> list[float]:
    """From the start of speech, as the server found it, to the first preview of each item."""
    firsts = {preview.item_id: preview for preview in reversed(result.previews)}
    return [
        1000 * result.delay_s(firsts[final.item_id], final.start_ms or 0)
        for final in result.finals
        if final.item_id in firsts
    ]


async def main() -> bool:
    parser = argparse.ArgumentParser(description="errors, latency and CPU of the embedded engine, by language")
    parser.add_argument("--rounds", type=int, default=4)
    rounds = parser.parse_args().rounds
    rows, holds = [], True
    for spoken, given, sessions in CASES:
        line = await run(spoken, given, sessions, rounds)
        holds &= line.holds
        rows.append(
            [
                spoken,
                given or "detected",
                sessions,
                f"{line.wrong.wrong} of {line.wrong.of}",
                " ".join(sorted(line.languages)),
                f"{median(line.final_ms):.0f} / {max(line.final_ms):.0f}",
                f"{median(line.first_preview_ms):.0f}",
                " ".join(map(str, line.previews)),
                f"{line.cpu_s:.2f}",
            ]
        )
    print_table(
        [
            "spoken",
            "language",
            "sessions",
            "wrong",
            "heard",
            "end of speech to final, ms, p50 / max",
            "first preview, ms",
            "previews",
            "CPU s per utterance",
        ],
        rows,
    )
    return holds


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
