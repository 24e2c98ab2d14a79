"""What the tests know of a running cluster: its replicas are processes, and each listens on a port of its own."""

import csv
import io
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from qwen3_asr_realtime.client.local_server import LocalServer

START_TIMEOUT_S = 120.0
REPLICA_TIMEOUT_S = 60.0
REDEPLOY_TIMEOUT_S = 90.0
POLL_S = 0.2
REPLICA_PORTS = range(30_000, 31_000)
"""Where Serve lets replicas listen by default."""

REDEPLOY = Path(__file__).with_name("redeploy.py")


class Cluster:
    """A running `qwen3-asr-realtime cluster`.

    Attributes:
        server: What clients see.
        log: All that its processes say.
    """

    def __init__(self, server: LocalServer, environment: Mapping[str, str], log: Path) -> None:
        self.server = server
        self.log = log
        self._environment = environment

    def processes(self) -> Sequence[psutil.Process]:
        """All of them, Ray's own too."""
        root = psutil.Process(self.server.pid)
        return [root, *root.children(recursive=True)]

    def replicas(self) -> dict[int, int]:
        """Port of each replica that takes sessions, by process id."""
        found = {}
        for process in self.processes():
            try:
                if "ServeReplica" in " ".join(process.cmdline()):
                    for connection in process.net_connections("tcp"):
                        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in REPLICA_PORTS:
                            found[process.pid] = connection.laddr.port
            except psutil.NoSuchProcess:
                continue
        return found

    def sessions(self) -> dict[int, int]:
        """Sessions on each replica, by process id."""
        with httpx.Client(trust_env=False) as client:
            return {
                pid: client.get(f"http://127.0.0.1:{port}/health").json()["sessions"]
                for pid, port in self.replicas().items()
            }

    def wait_for_replicas(self, count: int) -> None:
        """Until there are so many and HAProxy sends sessions to all of them."""
        deadline_s = time.monotonic() + REPLICA_TIMEOUT_S
        while (found := (len(self.replicas()), self._known_to_haproxy())) != (count, count):
            assert time.monotonic() < deadline_s, f"{found} instead of {count} replicas"
            time.sleep(POLL_S)

    def _known_to_haproxy(self) -> int:
        with httpx.Client(trust_env=False) as client:
            table = client.get(f"http://127.0.0.1:{self._environment['RAY_SERVE_HAPROXY_STATS_PORT']}/stats;csv").text
        rows = csv.DictReader(io.StringIO(table.removeprefix("# ")))
        return sum(row["svname"].startswith("SERVE_REPLICA") and row["status"].startswith("UP") for row in rows)

    def redeploy(self, replicas: int) -> None:
        """Have another number of replicas, all of them new."""
        subprocess.run(
            [sys.executable, REDEPLOY, str(replicas)], env=self._environment, timeout=REDEPLOY_TIMEOUT_S, check=True
        )
