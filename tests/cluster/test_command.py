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


@pytest.mark.usefixtures("_no_ray")
@pytest.mark.parametrize(
    ("settings", "beginning"),
    [
        ({"TLS_CERT_FILE": "cert.pem", "TLS_KEY_FILE": "key.pem"}, "TLS_CERT_FILE and TLS_KEY_FILE have no effect"),
        ({"METRICS_PORT": "9001"}, "METRICS_PORT has no effect"),
    ],
)
def test_what_would_have_no_effect_is_refused_before_anything_starts(settings, beginning):
    result = CliRunner().invoke(app, ["cluster"], env=settings)

    assert result.exit_code == EXIT_CONFIGURATION
    assert result.stderr.startswith(f"qwen3-asr-realtime: {beginning}")


def test_help_names_the_options():
    text = CliRunner().invoke(app, ["cluster", "--help"], env={"COLUMNS": "200"}).stdout

    for option in ("--address", "--replicas", "--max-replicas", "--sessions-per-replica", "--cpus", "--gpus"):
        assert option in text
