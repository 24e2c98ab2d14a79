"""What Ray and its library Serve read from the environment, made to suit sessions: WebSockets that last for hours.

Ray reads these variables when it is imported, so they have to be there before. A value that is set already stays.
"""

import math
import os
import resource

from qwen3_asr_realtime.server.drain import RESULTS_TIMEOUT_S
from qwen3_asr_realtime.settings import Settings, SettingsError

DRAIN_MARGIN_S = 5
"""A replica learns within a second that it has to go, and clients have two to answer the close."""

DRAINING_PERIOD = "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"

LONGEST_SESSION_S = 24 * 3600
"""A session that is older than this when replicas come or go is cut off."""

PORT_REST_S = 150
"""Time before the port of a replica that has gone is used again."""

CONNECTIONS_PER_NODE = 20_000
"""Sessions that the HAProxy of one node carries at a time, files permitting; more wait for their handshake."""

FILES_PER_CONNECTION = 3
"""HAProxy wants 2.5 for each, and does not start where it cannot have them."""


def serve_environment(settings: Settings) -> dict[str, str]:
    """Variables of all processes of the cluster, by name: as this process has them, or as they fit sessions."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = CONNECTIONS_PER_NODE if files < 0 else min(CONNECTIONS_PER_NODE, files // FILES_PER_CONNECTION)
    drain_s = math.ceil(settings.drain_timeout_sec + RESULTS_TIMEOUT_S) + DRAIN_MARGIN_S
    fitting = {
        # WebSockets go through HAProxy straight to the replica. Serve's own proxy is Python and handles each frame.
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(connections),
        # With each change of replicas a new HAProxy takes over and the old one stays for its connections, up to this.
        # The default of two minutes would cut off every session two minutes after any change.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(LONGEST_SESSION_S),
        "RAY_SERVE_PORT_QUARANTINE_S": str(PORT_REST_S),  # follows the variable above by default
        # The application reads its sockets itself, so that a client which sends too fast is held back by TCP. With a
        # thread in between, Serve reads on without bound.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        # A replica that has to go closes its sockets after this, sessions or not; so they have to end before.
        DRAINING_PERIOD: str(drain_s),
        # Ray would report to its makers how it is used.
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    return {name: os.environ.get(name, value) for name, value in fitting.items()}


def check_settings(settings: Settings) -> None:
    """Refuse settings of ports that are Ray's here: they would do nothing, or less than nothing.

    Raises:
        SettingsError: One of them is set.
    """
    if settings.tls_cert_file:
        raise SettingsError(
            "TLS_CERT_FILE and TLS_KEY_FILE have no effect on Ray: its HAProxy takes clients without TLS. Unset them, "
            "and let a load balancer in front speak TLS"
        )
    if settings.metrics_port:
        raise SettingsError(
            "METRICS_PORT has no effect on Ray, and /metrics would be nowhere: unset it; with keys set, /metrics needs "
            "one"
        )
