import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.vad.frames import (
    BLOCK_SAMPLES,
    BLOCKS_PER_FRAME,
    FRAME_SAMPLES,
    block_energies,
    certain_voice_s,
)

NOISE = np.random.default_rng(3).standard_normal(40 * FRAME_SAMPLES).astype(np.float32)


def test_each_block_has_its_own_energy():
    frames = np.zeros(2 * FRAME_SAMPLES, np.float32)
    frames[5 * BLOCK_SAMPLES : 6 * BLOCK_SAMPLES : 2] = 0.5
    frames[5 * BLOCK_SAMPLES + 1 : 6 * BLOCK_SAMPLES : 2] = -0.5
    assert block_energies(frames) == [[0, 0, 0, 0], [0, 0.25, 0, 0]]


def test_a_constant_offset_is_no_sound():
    plain, offset = np.array(block_energies(NOISE)), np.array(block_energies(NOISE + np.float32(2)))
    np.testing.assert_allclose(offset, plain, rtol=1e-4)


@given(begin=st.integers(0, 39), count=st.integers(1, 40))
def test_the_energies_of_a_frame_do_not_depend_on_the_others_to_the_last_bit(begin: int, count: int):
    part = NOISE[begin * FRAME_SAMPLES : (begin + count) * FRAME_SAMPLES]
    assert block_energies(part) == block_energies(NOISE)[begin : begin + count]
    assert all(len(energies) == BLOCKS_PER_FRAME for energies in block_energies(part))


@pytest.mark.parametrize(("probability", "share"), [(0, 0), (0.5, 0), (0.75, 0.5), (1, 1)])
def test_certain_voice_of_a_frame(probability, share):
    assert certain_voice_s(probability) == pytest.approx(share * 0.032)
