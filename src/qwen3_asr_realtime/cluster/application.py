"""The Serve application: how many replicas, of what size, and when there are more or fewer of them."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve

from qwen3_asr_realtime.cluster.environment import DRAINING_PERIOD, check_settings, serve_environment
from qwen3_asr_realtime.cluster.replica import Replica
from qwen3_asr_realtime.settings import Settings, load_settings

NAME = "qwen3-asr-realtime"

TARGET_SHARE = 0.7
"""Of `MAX_SESSIONS`: a new replica takes a minute to load its model, and sessions come in the meantime."""

REQUESTS_BESIDE_SESSIONS = 100
"""What a replica takes beyond `MAX_SESSIONS`, for sessions to be refused in words, and for health and metrics."""

UPSCALE_DELAY_S = 10.0
"""Load has to be there for so long. Short, because loading a model comes on top."""

STOP_S = 20.0
"""Time for the service to stop once its sessions have ended, the engine last; after it, the replica is killed."""

DOWNSCALE_DELAY_S = 300.0
"""And to be gone for so long: each replica less ends the sessions that are on it."""


class Plan(BaseModel):
    """How large the cluster may be.

    Attributes:
        min_replicas: Replicas that there always are.
        max_replicas: Most replicas; as many as the least if left out, so that their number does not change.
        sessions_per_replica: Sessions of a replica beyond which one more is started; a share of `MAX_SESSIONS` if left
            out.
        cpus: CPU cores of a replica. The embedded engine decodes on so many, unless `EMBEDDED_WORKERS` says otherwise.
        gpus: GPUs of a replica.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=0, ge=0)
    sessions_per_replica: int = Field(default=0, ge=0)
    cpus: float = Field(default=1.0, gt=0)
    gpus: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _max_is_not_below_min(self) -> "Plan":
        if self.max_replicas and self.max_replicas < self.min_replicas:
            raise ValueError(f"at most {self.max_replicas} replicas are fewer than at least {self.min_replicas}")
        return self


def application(plan: Plan, settings: Settings) -> serve.Application:
    """The application that a plan and the server's settings make.

    Args:
        plan: How large it may be.
        settings: Of each replica.
    """
    environment = serve_environment(settings)
    # A replica is one process. Limits would be divided by the workers.
    workers = settings.embedded_workers or max(1, int(plan.cpus))
    settings = settings.model_copy(update={"server_workers": 1, "embedded_workers": workers})
    deployment = serve.deployment(
        Replica,
        name="server",
        ray_actor_options={
            "num_cpus": plan.cpus,
            "num_gpus": plan.gpus,
            "runtime_env": {"env_vars": environment},
        },
        max_ongoing_requests=settings.max_sessions + REQUESTS_BESIDE_SESSIONS,
        graceful_shutdown_timeout_s=float(environment[DRAINING_PERIOD]) + STOP_S,
        graceful_shutdown_wait_loop_s=1.0,
        **_number_of_replicas(plan, settings),
    )
    return deployment.bind(settings)


def _number_of_replicas(plan: Plan, settings: Settings) -> dict[str, Any]:
    if plan.max_replicas <= plan.min_replicas:
        return {"num_replicas": plan.min_replicas}
    target = plan.sessions_per_replica or math.ceil(TARGET_SHARE * settings.max_sessions)
    return {
        "autoscaling_config": {
            "min_replicas": plan.min_replicas,
            "max_replicas": plan.max_replicas,
            "target_ongoing_requests": target,  # a session is one request that lasts as long as its socket
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": DOWNSCALE_DELAY_S,
        }
    }


def build(plan: Plan) -> serve.Application:
    """What `import_path` of a Serve config file names; its `args` are the plan. Settings come from its `env_vars`.

    Raises:
        SettingsError: One of them is not allowed, or has no effect on Ray.
    """
    settings = load_settings()
    check_settings(settings)
    return application(plan, settings)
