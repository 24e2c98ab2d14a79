"""However the server ends, none of its engine's processes stays."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.vllm.conftest import START_TIMEOUT_S
from tests.vllm.processes import engine_of, left_over, processes_of

from qwen3_asr_realtime.client.local_server import SERVE_COMMAND, LocalServer, local_server

POLL_S = 0.1


SIGNALS = (signal.SIGTERM, signal.SIGKILL)


@pytest.fixture(scope="module")
def servers(vllm_settings: Mapping[str, str]) -> Iterator[Mapping[signal.Signals, LocalServer]]:
    """One for each signal, started side by side."""
    with ExitStack() as running, ThreadPoolExecutor(len(SIGNALS)) as pool:

        def start(_: object) -> LocalServer:
            return running.enter_context(local_server(env=vllm_settings, start_timeout_s=START_TIMEOUT_S))

        yield dict(zip(SIGNALS, pool.map(start, SIGNALS), strict=True))


@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_stays_of_a_running_server(
    servers: Mapping[signal.Signals, LocalServer], number: signal.Signals
) -> None:
    server = servers[number]
    assert engine_of(server.pid) is not None
    processes = processes_of(server.pid)
    os.kill(server.pid, number)
    assert left_over(processes) == []


def test_nothing_stays_of_a_server_that_is_interrupted_while_it_loads(vllm_settings: Mapping[str, str]) -> None:
    env = {**os.environ, **vllm_settings, "SERVER_HOST": "127.0.0.1", "SERVER_PORT": "0"}
    server = subprocess.Popen(SERVE_COMMAND, env=env, process_group=0)
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while engine_of(server.pid) is None:
            assert server.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)
        processes = processes_of(server.pid)
        server.send_signal(signal.SIGINT)
        assert left_over(processes) == []
    finally:
        server.kill()
        server.wait()
