"""Nothing is reported to the makers of a library."""

import os
import subprocess
import sys


def test_loading_a_model_leaves_no_trace_in_the_home_folder(tmp_path):
    """onnxruntime keeps the identity and the backlog of its telemetry there; without telemetry, neither.

    It reports nothing from machines that call themselves CI either, so this one must not.
    """
    program = "from qwen3_asr_realtime.vad.silero import SileroModel; SileroModel()"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)

    assert list(tmp_path.rglob("*")) == []
