"""The log as the server writes it, in this process and for the length of a test."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import structlog

from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.settings import Settings


@contextmanager
def logging_as_served(log_format: str) -> Iterator[None]:
    """All that the server could log, on standard error."""
    root, client = logging.getLogger(), logging.getLogger("websockets.client")
    handlers, level = root.handlers, root.level
    configure = structlog.configure

    def configure_for_now(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})  # a cached one would outlive the test

    with patch.object(structlog, "configure", configure_for_now):
        configure_logs(Settings(_env_file=None, log_level="debug", log_format=log_format))
    client.setLevel(logging.WARNING)  # the one of the tests, which is no part of the server
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        client.setLevel(logging.NOTSET)
        structlog.reset_defaults()
