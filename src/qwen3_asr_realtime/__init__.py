"""Self-hosted realtime speech recognition over the Qwen3-ASR-realtime WebSocket protocol."""

import os

__version__ = "0.1.0"

# From 1.29 on, onnxruntime reports its use to its makers, and writes an id of the machine into the home folder, unless
# this stands in the environment before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
