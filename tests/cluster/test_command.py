import sys

import pytest
from typer.testing import CliRunner

from qwen3_asr_realtime.cli import EXIT_CONFIGURATION, app


@pytest.fixture
def _no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)


@pytest.mark.usefixtures("_no_ray")
def test_without_ray_one_line_says_what_to_install():
    result = CliRunner().invoke(app, ["cluster"])

    assert (result.exit_code, result.stderr) == (
        EXIT_CONFIGURATION,
        "qwen3-asr-realtime: Ray is not installed: uv sync --extra cluster\n",
    )


def test_help_names_the_options():
    text = CliRunner().invoke(app, ["cluster", "--help"], env={"COLUMNS": "200"}).stdout

    for option in ("--address", "--replicas", "--max-replicas", "--sessions-per-replica", "--cpus", "--gpus"):
        assert option in text
