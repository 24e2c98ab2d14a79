import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.settings import Settings

configure_logs(Settings(_env_file=None, log_format={log_format!r}))

def listen(spoken):
    raise ZeroDivisionError("a defect")

try:
    listen("what was " + "said")
except ZeroDivisionError:
    structlog.get_logger().exception("session failed")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_tracebacks_show_where_and_not_what_was_said(log_format):
    command = [sys.executable, "-c", PROGRAM.format(log_format=log_format)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "ZeroDivisionError" in lines
    assert "listen" in lines
    assert "what was said" not in lines
