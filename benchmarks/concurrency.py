"""Eight people talking at once, and a ninth who sends 15 MiB in one event.

    python benchmarks/concurrency.py

Eight real-time sessions (20 ms frames) play all English clips in different orders, with 1.5 s of silence between. Half
way, another client appends 15 MiB of base64. Printed: words wrong in all finals, how long after the silence setting
they came, and the CPU time of event-loop callbacks in the server (see callback_server.py).

Exits with 1 if a final comes more than 1 s after the silence setting, the word error rate is above 8 %, or the
callbacks' p99.9 is above 10 ms.
"""

import asyncio
import base64
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness import Clip, Result, english_clips, print_table, silence, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.client.realtime import RealtimeClient
from qwen3_asr_realtime.client.transcription import TranscribeOptions
from qwen3_asr_realtime.samples import SAMPLE_RATE
from word_error_rate import word_error_rate

SESSIONS = 8
SILENCE_MS = 600  # longer than the pauses inside most clips, so that nearly every clip is one item
GAP_S = 1.5
LATE_LIMIT_S, CALLBACK_LIMIT_S, WORD_ERROR_LIMIT = 1.0, 0.010, 0.08


async def talk(server: LocalServer, clips: list[Clip]) -> tuple[Result, list[float]]:
    """Play clips in a row; return what came, and how long after the silence setting each clip's last final came."""
    pieces = [silence(GAP_S)]
    ends_ms = []
    for clip in clips:
        ends_ms.append((sum(map(len, pieces)) + clip.speech.stop) * 1000 / SAMPLE_RATE)
        pieces += [clip.samples, silence(GAP_S)]
    result = await transcribe(server, np.concatenate(pieces), TranscribeOptions(vad_silence_ms=SILENCE_MS, chunk_ms=20))
    late_s = []
    for end_ms in ends_ms:
        final = min(result.finals, key=lambda final: abs((final.end_ms or 0) - end_ms))
        late_s.append(result.delay_s(final, end_ms) - SILENCE_MS / 1000)
    return result, late_s


async def dump(server: LocalServer, after_s: float) -> int:
    """Append 15 MiB of base64 in one event; return the size."""
    await asyncio.sleep(after_s)
    audio = base64.b64encode(bytes(15 * 1024 * 1024 // 4 * 3)).decode()
    async with RealtimeClient(server.url) as client:
        await client.send("input_audio_buffer.append", audio=audio)
        await client.send("session.finish")
        async for event in client:
            if event["type"] == "session.finished":
                break
    return len(audio)


async def main() -> bool:
    clips = english_clips()
    orders = [clips[shift % len(clips) :] + clips[: shift % len(clips)] for shift in range(SESSIONS)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "callbacks.npy")
        command = (sys.executable, str(Path(__file__).with_name("callback_server.py")))
        with local_server(command=command, env={"CALLBACKS_FILE": str(file)}) as server:
            async with asyncio.TaskGroup() as tasks:
                talking = [tasks.create_task(talk(server, order)) for order in orders]
                dumping = tasks.create_task(dump(server, after_s=20.0))
        callbacks_s = np.load(file)
    talks = [task.result() for task in talking]
    late_s = sorted(late for _, lates in talks for late in lates)
    rate = word_error_rate(
        [" ".join(clip.transcript for clip in order) for order in orders], [result.text for result, _ in talks]
    )
    items = [len(result.finals) for result, _ in talks]
    p999_s = float(np.quantile(callbacks_s, 0.999))
    print_table(
        [f"{SESSIONS} sessions at once", "measured", "at most"],
        [
            ["word error rate", f"{rate:.1%}", f"{WORD_ERROR_LIMIT:.0%}"],
            ["items of each session", " ".join(map(str, items)), ""],
            [f"final after the {SILENCE_MS} ms of silence, median", f"{late_s[len(late_s) // 2] * 1000:.0f} ms", ""],
            ["the same, maximum", f"{late_s[-1] * 1000:.0f} ms", f"{LATE_LIMIT_S * 1000:.0f} ms"],
            ["event-loop callbacks", len(callbacks_s), ""],
            ["CPU time of a callback, p99.9", f"{p999_s * 1000:.2f} ms", f"{CALLBACK_LIMIT_S * 1000:.0f} ms"],
            ["the same, maximum, start-up included", f"{callbacks_s.max() * 1000:.2f} ms", ""],
            ["largest append, characters", dumping.result(), ""],
        ],
    )
    return rate <= WORD_ERROR_LIMIT and late_s[-1] <= LATE_LIMIT_S and p999_s <= CALLBACK_LIMIT_S


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
