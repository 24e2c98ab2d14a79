"""Silero VAD v6 on onnxruntime: the probability that somebody speaks, frame by frame.

The weights are those of silero-vad 6.2.3 (MIT, `LICENSE.silero`), put by `scripts/silero_graph.py` into a graph that
takes successive frames of any number of sessions in one call. One onnxruntime session serves the whole process. The
probabilities do not depend on how frames are brought together in calls (bit for bit), while the cost of a frame falls
from 89 µs alone to 16 µs in a call of 32 (`benchmarks/vad_batching.py`).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from qwen3_asr_realtime.checksums import verify_sha256
from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES, block_energies

MODEL_PATH = Path(__file__).with_name("silero_vad.onnx")
MODEL_SHA256 = "f888b4dde42c5470a3e4d3c263228600fddbbdb696c9177edb58e1ef90ba4654"

CONTEXT_SAMPLES = 64
"""Samples before the frame that the model sees with it."""

WINDOW_SAMPLES = CONTEXT_SAMPLES + FRAME_SAMPLES
"""Samples of one row of the model's input."""

STATE_SIZE = 128

FRAMES_MAX = 8
"""Frames of one session in a call. More cost no less each, and would let a file at full speed hold up the others; an
append of 100 ms has 3 or 4."""


@dataclass(slots=True)
class SileroState:
    """What the model remembers of one session: 1.3 kB.

    Attributes:
        recurrent: float32 [2, 1, 128].
        context: The last samples it has judged, float32 [64].
    """

    recurrent: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 1, STATE_SIZE), np.float32))
    context: Samples = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))


@dataclass(slots=True, eq=False)
class Frames:
    """Successive frames of one session on their way through the model, which takes some of them in each call.

    Attributes:
        stream: What the model reads: the context, then n frames; float32 [64 + n * 512], contiguous.
        state: The session's, for the next frame to be judged; the context in it is not looked at.
        probabilities: Of speech, for the frames judged so far.
        energies: Of their blocks (`block_energies`).
        abandoned: Nobody wants the rest judged any more.
    """

    stream: Samples
    state: SileroState
    probabilities: list[float] = field(default_factory=list)
    energies: list[list[float]] = field(default_factory=list)
    abandoned: bool = False

    @property
    def left(self) -> int:
        """How many are not judged yet."""
        return (len(self.stream) - CONTEXT_SAMPLES) // FRAME_SAMPLES - len(self.probabilities)

    def windows(self, count: int) -> Samples:
        """The next frames, each with its context: a view, float32 [count, 576]."""
        sample_bytes = self.stream.itemsize
        return np.ndarray(
            (count, WINDOW_SAMPLES),
            np.float32,
            self.stream,
            offset=len(self.probabilities) * FRAME_SAMPLES * sample_bytes,
            strides=(FRAME_SAMPLES * sample_bytes, sample_bytes),
        )


class SileroModel:
    """The model. Stateless and safe to call from any thread; use `load`, which shares it."""

    _shared: "SileroModel | None" = None
    _lock = threading.Lock()

    def __init__(self, path: Path = MODEL_PATH) -> None:
        options = onnxruntime.SessionOptions()
        # A frame is too little work to share out; parallel sessions use the other cores.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            verify_sha256(path, MODEL_SHA256), options, providers=["CPUExecutionProvider"]
        )

    @classmethod
    def load(cls) -> "SileroModel":
        """The model of this process (24 MB), loaded by the first call.

        Raises:
            ChecksumError: The model file is missing or damaged.
        """
        with cls._lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def judge(self, batch: Sequence[Frames]) -> None:
        """Judge the next frames of each of some sessions, up to `FRAMES_MAX` of each, all in one call.

        Args:
            batch: Frames of different sessions, none of them judged to the end.
        """
        lengths = [min(frames.left, FRAMES_MAX) for frames in batch]
        windows = np.concatenate([frames.windows(length) for frames, length in zip(batch, lengths, strict=True)])
        states = np.concatenate([frames.state.recurrent for frames in batch], axis=1)
        probabilities, states = self.probabilities(windows, np.array(lengths, np.int32), states)
        energies = block_energies(windows[:, CONTEXT_SAMPLES:])
        first = 0
        for frames, length, state in zip(batch, lengths, states.swapaxes(0, 1), strict=True):
            # A copy: a view would keep the states of the whole batch for as long as this session is silent.
            frames.state.recurrent = state[:, None].copy()
            frames.probabilities += probabilities[first : first + length].tolist()
            frames.energies += energies[first : first + length]
            first += length

    def probabilities(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Judge successive frames of B sessions, N in all.

        Args:
            windows: Context and frame of each, those of the first session first, float32 [N, 576].
            lengths: How many each session has, at least one, int32 [B]; their sum is N.
            states: What the model remembers of each, float32 [2, B, 128].

        Returns:
            The probabilities of speech, float32 [N], and the new states, float32 [2, B, 128].
        """
        there = np.arange(lengths.max()) < lengths[:, None]  # [B, T]
        rows = np.zeros(there.shape, np.int64)  # Where in `windows` is which; the model looks at none beyond a length.
        rows[there] = np.arange(len(windows))
        probabilities, new_states = self._session.run(
            None, {"windows": windows, "rows": rows.T, "lengths": lengths, "states": states}
        )
        return probabilities.T[there], new_states
