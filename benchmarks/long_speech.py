"""Five minutes of speech without a pause in one session: does the cost grow, does the memory?

    python benchmarks/long_speech.py [--minutes 5]

All English clips, trimmed to their sound, are played over and over with nothing between, at real time. Their inner
pauses are shorter than the silence that would end a turn, so only the server's own bounds cut: 15 s of the engine, 60 s
of an utterance. Printed for each minute: CPU seconds of the server per second of audio, and resident memory at its end.

Exits with 1 if the last minute costs more than 1.2 times the first, or memory grows by 20 MiB after the first.
"""

import argparse
import asyncio
import sys

import numpy as np

from harness import english_clips, print_table, transcribe, used
from qwen3_asr_realtime.client.local_server import local_server
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE

MINUTE_S = 60.0
SILENCE_MS = 2000
GROWTH_LIMIT, MEMORY_LIMIT_MIB = 1.2, 20.0


async def main() -> bool:
    parser = argparse.ArgumentParser(description="cost and memory of speech without a pause")
    parser.add_argument("--minutes", type=int, default=5)
    minutes = parser.parse_args().minutes
    speech = np.concatenate([clip.samples[clip.speech] for clip in english_clips()])
    audio = np.resize(speech, int(minutes * MINUTE_S) * SAMPLE_RATE)
    rows, cpu_per_s, memory_mib = [], [], []
    with local_server() as server:
        session = asyncio.create_task(transcribe(server, audio, TranscribeOptions(vad_silence_ms=SILENCE_MS)))
        before = used(server)
        for minute in range(1, minutes + 1):
            await asyncio.sleep(MINUTE_S)
            now = used(server)
            cpu_per_s.append((now.cpu_s - before.cpu_s) / MINUTE_S)
            memory_mib.append(now.rss_mib)
            before = now
            rows.append([minute, f"{cpu_per_s[-1]:.3f}", f"{memory_mib[-1]:.0f} MiB"])
        result = await session
    print_table(["minute", "CPU s per s of audio", "memory"], rows)
    growth, memory_growth_mib = cpu_per_s[-1] / cpu_per_s[0], memory_mib[-1] - memory_mib[0]
    print(
        f"{len(result.finals)} items, {len(result.text.split())} words; the last minute costs {growth:.2f} times the "
        f"first, memory grew by {memory_growth_mib:.1f} MiB after it"
    )
    return growth <= GROWTH_LIMIT and memory_growth_mib <= MEMORY_LIMIT_MIB


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
