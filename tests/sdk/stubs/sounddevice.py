"""Instead of sounddevice where there is no microphone: hears the WAV file $RECORDING, then silence, in real time."""

import os
import time
import wave
from types import TracebackType

BYTES_PER_SAMPLE = 2


class PortAudioError(Exception):
    pass


class RawInputStream:
    def __init__(self, *, samplerate: int, channels: int, dtype: str) -> None:
        if "RECORDING" not in os.environ:
            raise PortAudioError("Error querying device -1")
        assert (samplerate, channels, dtype) == (16_000, 1, "int16")
        self._rate = samplerate

    def __enter__(self) -> "RawInputStream":
        self._recording = wave.open(os.environ["RECORDING"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.close()

    def read(self, frames: int) -> tuple[memoryview, bool]:
        time.sleep(frames / self._rate)
        return memoryview(self._recording.readframes(frames).ljust(frames * BYTES_PER_SAMPLE, b"\0")), False
