"""Replace the replicas of the cluster of this machine, one after the other, by so many: redeploy.py N."""

import os
import sys

from qwen3_asr_realtime.cluster.environment import serve_environment
from qwen3_asr_realtime.settings import load_settings


def main(replicas: int) -> None:
    settings = load_settings()
    os.environ.update(serve_environment(settings))
    import ray  # noqa: PLC0415 - reads the environment
    from ray import serve  # noqa: PLC0415 - likewise

    from qwen3_asr_realtime.cluster.application import NAME, Plan, application  # noqa: PLC0415 - likewise

    ray.init(address="auto", log_to_driver=False)
    serve.run(application(Plan(min_replicas=replicas, cpus=0.5), settings), name=NAME)
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
