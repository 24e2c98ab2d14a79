"""The systemd unit and the configurations of TLS proxies."""

import configparser
import re
import shutil
import subprocess

import pytest
from tests.deploy.files import default, read

from qwen3_asr_realtime.server.app import REALTIME_PATHS

UNIT = "deploy/systemd/qwen3-asr-realtime.service"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def service() -> dict[str, str]:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(read(UNIT))
    return dict(unit["Service"])


def test_systemd_stops_the_server_as_it_must_be_stopped(service):
    assert service["KillMode"] == "mixed"  # or vLLM's processes get the signal too, and stop before the sessions
    assert int(service["TimeoutStopSec"]) > default("DRAIN_TIMEOUT_SEC") + 15


def test_systemd_does_not_repeat_what_cannot_succeed(service):
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_systemd_brings_models_to_where_the_unit_may_write(service):
    program, *words = service["ExecStartPre"].split()
    assert program == f"-{service['ExecStart'].split()[0]}"  # a server without a model is better than none
    assert words == ["models", "fetch", "--optional"]
    assert service["TimeoutStartSec"] == "infinity"  # or a slow download would be ended, and the server with it
    (folder,) = re.findall(r"\bMODELS_DIR=(\S+)", read(UNIT))
    assert folder == f"%C/{service['CacheDirectory']}/models"


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd is not here")
def test_systemd_knows_every_line(tmp_path):
    unit = tmp_path / "qwen3-asr-realtime.service"
    unit.write_text(re.sub(r"(?<==)(-?)/opt/\S+/bin/\S+", rf"\1{shutil.which('true')}", read(UNIT)))
    done = subprocess.run([SYSTEMD_ANALYZE, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_proxies_pass_on_the_paths_of_the_protocol_and_no_others():
    (location,) = re.findall(r"location ~ (\S+) \{", read("deploy/proxy/nginx.conf"))
    (named,) = re.findall(r"@realtime path (.*)", read("deploy/proxy/Caddyfile"))
    assert all(re.search(location, path) for path in REALTIME_PATHS)
    assert set(named.split()) == set(REALTIME_PATHS)
    for path in ("/metrics", "/stats", "/health", "/ready", "/docs"):
        assert not re.search(location, path)
        assert path not in named.split()


def test_proxies_lead_to_the_default_port():
    for name in ("nginx.conf", "Caddyfile"):
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", read(f"deploy/proxy/{name}"))) == {str(default("SERVER_PORT"))}


def test_nginx_waits_longer_than_the_server():
    timeouts = re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", read("deploy/proxy/nginx.conf"))
    assert len(timeouts) == 2
    assert all(int(timeout) > default("IDLE_TIMEOUT_SEC") for timeout in timeouts)
