import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.vad.history import History


@given(lengths=st.lists(st.integers(1, 50), min_size=1), data=st.data())
def test_reads_what_was_appended_and_not_dropped(lengths: list[int], data: st.DataObject):
    total = sum(lengths)
    audio = np.arange(total, dtype=np.float32)
    history = History()
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        history.append(audio[end - length : end])
    keep_from = data.draw(st.integers(0, total - 1), "keep_from")
    history.drop_before(keep_from)
    begin = data.draw(st.integers(keep_from, total - 1), "begin")
    end = data.draw(st.integers(begin + 1, total), "end")

    assert history.read(begin, end).tolist() == audio[begin:end].tolist()
    assert len(history) < total - keep_from + max(lengths)


def test_does_not_read_what_is_not_kept():
    history = History()
    history.append(np.zeros(10, np.float32))
    history.append(np.zeros(10, np.float32))
    history.drop_before(10)
    for begin, end in ((9, 12), (12, 21), (15, 15)):
        with pytest.raises(IndexError):
            history.read(begin, end)
