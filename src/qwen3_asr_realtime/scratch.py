"""Folders for what lasts no longer than a process."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder of our own in the system's folder for temporary files; removed on leaving.

    A server runs for months, and systemd-tmpfiles removes from /tmp what was not touched for ten days, except in a
    folder that somebody holds a lock on (tmpfiles.d(5)).
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # not every network file system has locks
                fcntl.flock(folder, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(folder)
