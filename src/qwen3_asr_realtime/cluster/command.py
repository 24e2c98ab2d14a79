"""The `cluster` command: the server as an application on a Ray cluster, for as long as the command runs."""

import os
import signal
import threading
from typing import Any

import structlog

from qwen3_asr_realtime.cluster.environment import check_settings, serve_environment
from qwen3_asr_realtime.settings import Settings

NODE_MEMORY_BYTES = 100 * 2**20
"""Of a local cluster's store for objects, of which there are none."""

log = structlog.get_logger()


class ClusterError(Exception):
    """The cluster does not come up; the message is for the operator."""


def run_cluster(settings: Settings, plan: dict[str, Any], address: str | None) -> None:
    """Run replicas until SIGINT or SIGTERM, then drain them and take them away.

    Args:
        settings: Of each replica; the address is where sessions come in.
        plan: What `cluster.application.Plan` takes.
        address: The Ray cluster to use; None starts one on this machine, which ends with the command.

    Raises:
        SettingsError: A setting has no effect on Ray.
        ClusterError: Ray is not installed or not reached, or no replica starts.
    """
    check_settings(settings)
    environment = serve_environment(settings)
    os.environ.update(environment)
    try:
        import ray  # noqa: PLC0415 - reads its settings from the environment when it is imported
        from ray import serve  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise ClusterError("Ray is not installed: uv sync --extra cluster") from error
    from qwen3_asr_realtime.cluster.application import NAME, Plan, application  # noqa: PLC0415 - needs Ray

    try:
        if address is None:
            ray.init(address="local", include_dashboard=False, object_store_memory=NODE_MEMORY_BYTES)
        else:
            ray.init(address=address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(f"no Ray cluster: {error}") from error
    try:
        replicas = application(Plan(**plan), settings)
        serve.start(
            http_options={"host": settings.server_host, "port": settings.server_port},
            controller_options={"runtime_env": {"env_vars": environment}},
        )
        serve.run(replicas, name=NAME)
        log.info("ready", port=settings.server_port)
        wait_for_signal()
        log.info("stopping")
        serve.delete(NAME)
        serve.shutdown()
    except (RuntimeError, ValueError) as error:
        raise ClusterError(str(error)) from error
    finally:
        ray.shutdown()


def wait_for_signal() -> None:
    """Wait for SIGINT or SIGTERM. A second one ends the program."""
    told = threading.Event()

    def tell(*_: object) -> None:
        told.set()
        for number in previous:
            signal.signal(number, signal.SIG_DFL)

    previous = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    told.wait()
