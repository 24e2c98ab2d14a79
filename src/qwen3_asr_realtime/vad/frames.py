"""How audio is cut up for speech detection."""

import numpy as np

from qwen3_asr_realtime.samples import Samples

FRAME_SAMPLES = 512
"""Samples the model judges at once (32 ms); every decision falls at the end of a frame."""

BLOCK_SAMPLES = 128
"""Samples of one energy value (8 ms); the resolution of starts and ends."""

BLOCKS_PER_FRAME = FRAME_SAMPLES // BLOCK_SAMPLES


def block_energies(samples: Samples) -> list[list[float]]:
    """The energies of whole frames, block by block.

    Args:
        samples: float32 [n * 512].

    Returns:
        For each frame, the variance of each of its four blocks. Not the mean square: the constant offset that cheap
        sound cards add is not sound.
    """
    blocks = samples.reshape(-1, BLOCKS_PER_FRAME, BLOCK_SAMPLES)
    squares = np.einsum("fbs,fbs->fb", blocks, blocks)
    sums = blocks.sum(axis=2)
    energies: list[list[float]] = (np.maximum(squares - sums * sums / BLOCK_SAMPLES, 0) / BLOCK_SAMPLES).tolist()
    return energies
