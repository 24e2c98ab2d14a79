import fcntl
import os

import pytest

from qwen3_asr_realtime.scratch import scratch_folder


def test_a_folder_is_locked_while_it_is_used_and_gone_afterwards() -> None:
    with scratch_folder("test-") as folder:
        (folder / "file").touch()
        cleaner = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(cleaner)

    assert not folder.exists()
