"""The program of one worker: the server, with connections and the count of sessions from its parent.

Run by `parent.py` with the numbers of two inherited sockets among the arguments.
"""

import shutil
import socket
import sys
from pathlib import Path

import structlog

from qwen3_asr_realtime.engines.selection import select_engine
from qwen3_asr_realtime.server.link import ParentLink, Successor
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.serve import run_until_stopped
from qwen3_asr_realtime.settings import load_settings
from qwen3_asr_realtime.start_error import EXIT_CONFIGURATION, StartError


def main(number: str, successor: str, questions: str, connections: str, metrics: str) -> int:
    """Serve until a signal, or the end of the parent, ends it.

    Args:
        number: Of the worker, for the log.
        successor: Whose place it takes, see `Successor`.
        questions: Descriptor of the socket for questions.
        connections: Descriptor of the socket for connections.
        metrics: Folder of the metrics.

    Returns:
        The exit status of the process.
    """
    link = ParentLink(
        socket.socket(fileno=int(questions)),
        socket.socket(fileno=int(connections)),
        Successor(successor),
    )
    try:
        settings = load_settings()
        configure_logs(settings)
        structlog.contextvars.bind_contextvars(worker=int(number))
        run_until_stopped(settings, select_engine(settings), link)
    except StartError as error:
        sys.stderr.write(f"qwen3-asr-realtime: {error}\n")
        return EXIT_CONFIGURATION
    finally:
        if link.is_gone:  # nobody else will
            shutil.rmtree(Path(metrics), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
