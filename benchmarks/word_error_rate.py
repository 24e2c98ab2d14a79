"""Word error rate of real speech through a real server, in both modes, 1 x and full speed.

    python benchmarks/word_error_rate.py

Texts are normalised with Whisper's English normaliser. Exits with 1 if a rate exceeds 8 %, or if full speed gives other
texts than real time.
"""

import asyncio
import math
import sys
import warnings

import jiwer
import numpy as np

from harness import Clip, english_clips, print_table, silence, transcribe
from qwen3_asr_realtime.client.local_server import LocalServer, local_server
from qwen3_asr_realtime.client.transcription import Mode, TranscribeOptions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an invalid escape sequence in the package's source
    from whisper_normalizer.english import EnglishTextNormalizer

LIMIT = 0.08
MODES: tuple[tuple[Mode, int], ...] = (("vad", 2), ("manual", 1))  # and the items that two sentences make


async def measure(server: LocalServer, clips: list[Clip], mode: Mode, speed: float) -> list[list[str]]:
    """Finals of each clip; the clips of one mode run one after the other."""
    options = TranscribeOptions(mode=mode, speed=speed)
    return [[final.transcript for final in (await transcribe(server, clip.samples, options)).finals] for clip in clips]


async def main() -> bool:
    clips = english_clips()
    sentences = {clip.name: clip.samples for clip in clips}
    pair = Clip(
        "two sentences",
        np.concatenate([sentences["libri_0880.wav"], silence(1.2), sentences["libri_0930.wav"]]),
        slice(None),
        "",
    )
    rows = []
    ok = True
    with local_server() as server:
        for mode, expected_items in MODES:
            paced, dumped = await asyncio.gather(
                *(measure(server, [*clips, pair], mode, speed) for speed in (1.0, math.inf))
            )
            for clip, finals in zip([*clips, pair], paced, strict=True):
                print(f"{mode:6} {clip.name:18} {' | '.join(finals)}")
            heard = [" ".join(finals) for finals in paced[: len(clips)]]
            rate = word_error_rate([clip.transcript for clip in clips], heard)
            items = len(paced[-1])
            rows.append([mode, f"{rate:.1%}", "yes" if paced == dumped else "NO", items])
            ok &= rate <= LIMIT and paced == dumped and items == expected_items
    print_table(["mode", "word error rate", "full speed gives the same", "items of two sentences"], rows)
    return ok


def word_error_rate(references: list[str], heard: list[str]) -> float:
    """Errors per reference word over all texts."""
    normalise = EnglishTextNormalizer()
    return float(jiwer.wer(list(map(normalise, references)), list(map(normalise, heard))))


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
