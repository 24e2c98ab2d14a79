"""What recognition costs with the embedded engine, in CPU seconds of one core.

    python benchmarks/embedded_cost.py

Uses the English clips of `tests/speech`. CPU time does not depend on what else the machine does as wall time would, but
a busy machine still shows in it: compare runs on the same machine only.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from harness import english_clips
from qwen3_asr_realtime.engines.moonshine.model import Moonshine
from qwen3_asr_realtime.engines.moonshine.weights import locate_weights, verify_weights
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

LENGTHS_S = (1, 3, 5, 10, 15, 30)
REPEATS = 7
PARTIAL_INTERVALS_S = (0.5, 1.0)


def decode_cost_s(model: Moonshine, audio: Samples) -> float:
    began = time.thread_time()
    model.decode(audio)
    return time.thread_time() - began


def print_single_decodes(model: Moonshine, speech: Samples) -> None:
    print("One decode without a draft (every final):")
    for length_s in LENGTHS_S:
        audio = speech[: length_s * SAMPLE_RATE]
        cost_s = statistics.median(decode_cost_s(model, audio) for _ in range(REPEATS))
        print(f"  {length_s:3d} s of audio  {cost_s:.3f} CPU s  {cost_s / length_s:.4f} per second of audio")


def print_growing_utterances(model: Moonshine, clips: list[Samples]) -> None:
    print("Partials of growing utterances, from 1 s on, per second of audio:")
    audio_s = sum(len(clip) for clip in clips) / SAMPLE_RATE
    for interval_s in PARTIAL_INTERVALS_S:
        plain_s = drafted_s = 0.0
        partials = same = 0
        for clip in clips:
            draft: tuple[int, ...] = ()
            for end in range(SAMPLE_RATE, len(clip) + 1, int(interval_s * SAMPLE_RATE)):
                began = time.thread_time()
                plain = model.decode(clip[:end])
                between = time.thread_time()
                drafted = model.decode(clip[:end], draft)
                plain_s += between - began
                drafted_s += time.thread_time() - between
                partials += 1
                same += plain.text == drafted.text
                draft = drafted.token_ids
        print(
            f"  every {interval_s} s  {plain_s / audio_s:.3f} CPU s without a draft, "
            f"{drafted_s / audio_s:.3f} with the previous partial as draft; {same} of {partials} texts the same"
        )


def print_two_threads(model: Moonshine, clips: list[Samples]) -> None:
    work = clips * 4
    began = time.perf_counter()
    serial = [model.decode(clip).text for clip in work]
    between = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        threaded = [transcript.text for transcript in pool.map(model.decode, work)]
    ended = time.perf_counter()
    same = sum(a == b for a, b in zip(serial, threaded, strict=True))
    print(f"Two threads on one model: {same} of {len(work)} texts the same as one after the other,")
    print(f"  {(between - began) / (ended - between):.2f} times as fast (wall time, so this one needs an idle machine)")


def main() -> None:
    clips = [clip.samples for clip in english_clips()]
    model = Moonshine(verify_weights(locate_weights()))
    speech = np.concatenate(clips)
    model.decode(speech[: max(LENGTHS_S) * SAMPLE_RATE])
    print_single_decodes(model, speech)
    print_growing_utterances(model, clips)
    print_two_threads(model, clips)


if __name__ == "__main__":
    main()
