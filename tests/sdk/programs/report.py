"""What the programs beside this file share: how they take arguments, read audio and tell what they saw.

The programs run in the environment of an SDK, where nothing else is installed. Each line they print is a JSON object
with `saw` (what), `at_s` (when, on the monotonic clock) and details.
"""

import argparse
import base64
import json
import os
import threading
import time
import wave
from collections.abc import Iterator
from typing import Any

MODEL = "qwen3-asr-flash-realtime"
KEY = os.environ.get("REALTIME_API_KEY", "none")
CHUNK_MS = 100

_lock = threading.Lock()


def say(saw: str, **details: Any) -> None:
    with _lock:  # the SDK's thread speaks as well, and print writes a line in two pieces
        print(json.dumps({"saw": saw, "at_s": time.monotonic(), **details}), flush=True)  # noqa: T201 - read by the tests


def arguments() -> argparse.Namespace:
    """`--url` and `--audio`, a WAV file with 16-bit mono samples at 16 kHz."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--audio")
    return parser.parse_args()


def chunks(path: str, *, speed: float) -> Iterator[str]:
    """The audio in base64, a tenth of a second at a time, `speed` times as fast as it was spoken."""
    with wave.open(path) as audio:
        began_s, sent_ms = time.monotonic(), 0
        while pcm := audio.readframes(audio.getframerate() * CHUNK_MS // 1000):
            yield base64.b64encode(pcm).decode()
            sent_ms += CHUNK_MS
            time.sleep(max(0.0, began_s + sent_ms / 1000 / speed - time.monotonic()))
