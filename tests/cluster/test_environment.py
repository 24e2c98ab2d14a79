from pathlib import Path

import pytest
import yaml
from tests.deploy.files import KUBERNETES, settings_file

from qwen3_asr_realtime.cluster import environment
from qwen3_asr_realtime.cluster.environment import DRAINING_PERIOD, serve_environment
from qwen3_asr_realtime.settings import Settings

CONFIG = Path(__file__).parents[2] / "deploy" / "ray" / "serve.yaml"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in serve_environment(Settings()):
        monkeypatch.delenv(name, raising=False)


def test_sessions_end_before_their_sockets_are_closed():
    variables = serve_environment(Settings(drain_timeout_sec=60))

    assert float(variables[DRAINING_PERIOD]) > 60 + environment.RESULTS_TIMEOUT_S


def test_what_the_operator_has_set_stays(monkeypatch):
    monkeypatch.setenv("RAY_SERVE_HAPROXY_MAXCONN", "7")

    assert serve_environment(Settings())["RAY_SERVE_HAPROXY_MAXCONN"] == "7"


@pytest.mark.parametrize(("files", "connections"), [(30_000, 10_000), (10**6, 20_000), (-1, 20_000)])
def test_haproxy_gets_no_more_connections_than_it_may_have_files(monkeypatch, files, connections):
    monkeypatch.setattr(environment.resource, "getrlimit", lambda _: (1024, files))

    assert serve_environment(Settings())["RAY_SERVE_HAPROXY_MAXCONN"] == str(connections)


def test_the_config_file_admits_nobody_without_a_key():
    """As on Kubernetes: it listens on all addresses."""
    config = yaml.safe_load(CONFIG.read_text())
    (application,) = config["applications"]
    kubernetes = settings_file(KUBERNETES / "base" / "settings.env")

    assert application["runtime_env"]["env_vars"]["API_KEYS_FILE"] == kubernetes["API_KEYS_FILE"]


def test_the_config_file_says_the_same():
    config = yaml.safe_load(CONFIG.read_text())
    (application,) = config["applications"]
    settings = Settings(**{name.lower(): value for name, value in application["runtime_env"]["env_vars"].items()})
    variables = serve_environment(settings) | {"RAY_SERVE_HAPROXY_MAXCONN": str(environment.CONNECTIONS_PER_NODE)}

    assert config["controller_options"]["runtime_env"]["env_vars"] == variables
    assert config["http_options"]["port"] == settings.server_port
