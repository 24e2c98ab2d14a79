"""Logs: structured lines from us and from the libraries, in one format, on standard error."""

import logging
import sys

import structlog

from qwen3_asr_realtime.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send all logging to standard error, for people or for machines.

    Audio, keys and, unless `LOG_TRANSCRIPTS` says so, transcripts are never logged. So tracebacks come without the
    values of variables, and libraries that write down what they carry are kept from it. A line that cannot be written
    is lost and harms nothing.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None: whoever started us has closed it
    console = settings.log_format == "console" or (settings.log_format == "auto" and terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for library in ("uvicorn", "httpx", "httpcore", "websockets"):  # every frame, every request to a vLLM server
        logging.getLogger(library).setLevel(logging.WARNING)
