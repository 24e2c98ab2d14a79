"""How audio is cut up for speech detection."""

import numpy as np

from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

FRAME_SAMPLES = 512
"""Samples the model judges at once (32 ms); every decision falls at the end of a frame."""

BLOCK_SAMPLES = 128
"""Samples of one energy value (8 ms); the resolution of starts and ends."""

BLOCKS_PER_FRAME = FRAME_SAMPLES // BLOCK_SAMPLES

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE


def certain_voice_s(probability: float) -> float:
    """What a frame adds to certain voice, in seconds: that share of it by which its probability exceeds one half."""
    return max(2 * probability - 1, 0.0) * FRAME_S


def block_energies(samples: Samples) -> list[list[float]]:
    """The energies of whole frames, block by block.

    Args:
        samples: One after the other, float32 [n * 512] or [n, 512].

    Returns:
        For each frame, the variance of each of its four blocks: the constant offset that cheap sound cards add is not
        sound. The value of a block does not depend on the others, to the last bit.
    """
    blocks = samples.reshape(-1, BLOCK_SAMPLES)
    deviations = blocks - np.add.reduce(blocks, axis=1, keepdims=True) * np.float32(1 / BLOCK_SAMPLES)
    energies = np.einsum("bs,bs->b", deviations, deviations) * np.float32(1 / BLOCK_SAMPLES)
    values: list[list[float]] = energies.reshape(-1, BLOCKS_PER_FRAME).tolist()
    return values
