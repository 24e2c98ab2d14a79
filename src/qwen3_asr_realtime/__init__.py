"""Self-hosted realtime speech recognition over the Qwen3-ASR-realtime WebSocket protocol."""

__version__ = "0.1.0"
