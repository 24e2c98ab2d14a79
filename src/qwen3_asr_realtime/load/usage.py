"""What a process and its children use of the machine, read from Linux's /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a process and all that descend from it.

    Attributes:
        cpu_s: CPU time used since they began, and by children that have ended.
        rss_mib: Memory in use; pages that processes share count for each of them.
    """

    cpu_s: float
    rss_mib: float


def usage(pid: int) -> Usage | None:
    """Look at a process; None if it does not exist or the system has no /proc."""
    stats = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            stats[int(folder.name)] = _stat(folder)
        except (OSError, ValueError, IndexError):
            # It ended meanwhile.
            continue
    if pid not in stats:
        return None
    family = {pid}
    while fresh := {child for child, stat in stats.items() if stat.parent in family} - family:
        family |= fresh
    return Usage(
        cpu_s=sum(stats[member].cpu_ticks for member in family) / os.sysconf("SC_CLK_TCK"),
        rss_mib=sum(stats[member].rss_pages for member in family) * os.sysconf("SC_PAGE_SIZE") / 2**20,
    )


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    cpu_ticks: int
    rss_pages: int


def _stat(folder: Path) -> _Stat:
    # The second field is a name in parentheses, which may hold blanks and parentheses itself. Numbers as in proc(5).
    fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    parent, ticks, rss = fields[1], fields[11:15], fields[21]
    return _Stat(int(parent), sum(map(int, ticks)), int(rss))
