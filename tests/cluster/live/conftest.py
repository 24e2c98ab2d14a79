"""Two replicas of the server on a Ray cluster of this machine, with the embedded engine, behind HAProxy.

They take an environment of their own and half a minute to start, so these tests run only where they are asked for by
name: `make test-cluster`.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.cluster.live.cluster import START_TIMEOUT_S, Cluster

from qwen3_asr_realtime.client import local_server as local_server_module
from qwen3_asr_realtime.client.local_server import local_server, reserved_port

STOP_TIMEOUT_S = 60.0

SETTINGS = {
    "ASR_ENGINE": "embedded",
    "EMBEDDED_WORKERS": "1",
    "DRAIN_TIMEOUT_SEC": "10",  # a sentence of seven seconds ends by itself
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "13",
    "MAX_BACKLOG_SEC": "10",
    "MAX_FRAME_MIB": "4",  # twice as much waits for its turn, of each client
    "LOG_FORMAT": "json",
    "RAY_AUTH_MODE": "token",  # with a token of its own, which Ray would else write into the home folder
    # Ray's own processes are spared, on a machine that others use as well.
    "RAY_DEDUP_LOGS": "0",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
}

PORTS = ("RAY_SERVE_HAPROXY_STATS_PORT", "RAY_SERVE_HAPROXY_METRICS_PORT")

COMMAND = (sys.executable, "-m", "qwen3_asr_realtime", "cluster", "--replicas", "2", "--cpus", "0.5")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two replicas that are ready."""
    settings = {**SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    log = tmp_path_factory.mktemp("cluster") / "log"
    with ExitStack() as ports, pytest.MonkeyPatch.context() as patch:
        settings |= {name: str(ports.enter_context(reserved_port())) for name in PORTS}
        patch.setattr(local_server_module, "STOP_TIMEOUT_S", STOP_TIMEOUT_S)
        with local_server(command=COMMAND, env=settings, log_path=log, start_timeout_s=START_TIMEOUT_S) as server:
            try:
                cluster = Cluster(server, {**os.environ, **settings}, log)
                cluster.wait_for_replicas(2)
                yield cluster
            finally:
                sys.stdout.write(log.read_text(encoding="utf-8", errors="replace")[-20_000:])
