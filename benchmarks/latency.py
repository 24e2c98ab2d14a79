"""How soon text comes: one session, a quiet machine, 20 ms client frames, ten utterances.

    python benchmarks/latency.py

The same clip is played ten times with two seconds of silence between, at real time. Speech is where the clip's 10 ms
blocks come within 35 dB of its loudest one. Printed, as median and maximum:

* first partial: from the moment the first sound was sent to the first preview of its item;
* final: from the moment the last sound was sent to the final, less the silence setting that the server must wait out.

Exits with 1 if the median of the first is above 1.2 s or of the second above 0.3 s.
"""

import asyncio
import statistics
import sys

import numpy as np

from harness import english_clips, print_table, silence, sounding_span, transcribe
from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE

UTTERANCES = 10
SILENCE_MS = 400
FIRST_PARTIAL_LIMIT_S, FINAL_LIMIT_S = 1.2, 0.3


async def main() -> bool:
    clip = next(clip for clip in english_clips() if clip.name == "libri_0890.wav")
    first, last = sounding_span(clip.samples)
    gap = silence(2.0)
    period = len(clip.samples) + len(gap)
    audio = np.concatenate([gap, *[clip.samples, gap] * UTTERANCES])
    begins_ms = [(len(gap) + turn * period + first) * 1000 / SAMPLE_RATE for turn in range(UTTERANCES)]
    ends_ms = [(len(gap) + turn * period + last) * 1000 / SAMPLE_RATE for turn in range(UTTERANCES)]
    with local_server() as server:
        result = await transcribe(server, audio, TranscribeOptions(vad_silence_ms=SILENCE_MS, chunk_ms=20))
    if len(result.finals) != UTTERANCES:
        print(f"{len(result.finals)} items instead of {UTTERANCES}: {result.text}")
        return False
    partial_s, final_s = [], []
    for begin_ms, end_ms, final in zip(begins_ms, ends_ms, result.finals, strict=True):
        preview = next(preview for preview in result.previews if preview.item_id == final.item_id)
        partial_s.append(result.delay_s(preview, begin_ms))
        final_s.append(result.delay_s(final, end_ms) - SILENCE_MS / 1000)
    rows = [
        [name, f"{statistics.median(times) * 1000:.0f} ms", f"{max(times) * 1000:.0f} ms", f"{limit_s * 1000:.0f} ms"]
        for name, times, limit_s in (
            ("first sound to first partial", partial_s, FIRST_PARTIAL_LIMIT_S),
            (f"last sound to final, less {SILENCE_MS} ms", final_s, FINAL_LIMIT_S),
        )
    ]
    print_table(["one session", "median", "maximum", "median at most"], rows)
    return statistics.median(partial_s) <= FIRST_PARTIAL_LIMIT_S and statistics.median(final_s) <= FINAL_LIMIT_S


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
