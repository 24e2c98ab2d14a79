"""Change how many replicas the cluster of this machine has: resize.py N."""

import os
import sys

from qwen3_asr_realtime.cluster.environment import serve_environment
from qwen3_asr_realtime.settings import load_settings

settings = load_settings()
os.environ.update(serve_environment(settings))

import ray
from ray import serve

from qwen3_asr_realtime.cluster.application import NAME, Plan, application

ray.init(address="auto", log_to_driver=False)
serve.run(application(Plan(min_replicas=int(sys.argv[1]), cpus=0.5), settings), name=NAME)
ray.shutdown()
