import os
import subprocess
import sys

import pytest

from qwen3_asr_realtime.load.usage import usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")


def test_a_child_s_memory_and_time_count():
    code = "kept = bytearray(64 * 2**20); sum(range(3_000_000)); print('x', end='', flush=True); input()"
    before = usage(os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.read(1) == b"x"
        after = usage(os.getpid())
        assert usage(child.pid).rss_mib > 64
        child.stdin.close()
    assert after.rss_mib - before.rss_mib > 60
    assert after.cpu_s > before.cpu_s


def test_no_such_process():
    assert usage(2**22 + 1) is None
