"""The machine: which core is whose, what processes use, and how busy it is with other things."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.job import use_core


class Cores(NamedTuple):
    """Cores of the measured processes, and core of the broker and of whoever drives it; none: any will do."""

    systems: tuple[int, ...]
    broker: int

    def of(self, number: int) -> int:
        """Return the core of the measured process `number`; a negative number is any core.

        >>> Cores((0, 1), broker=3).of(2), Cores((), -1).of(0)
        (0, -1)
        """
        return self.systems[number % len(self.systems)] if self.systems else -1


class Usage(NamedTuple):
    """CPU time of some processes since they began, and their memory now."""

    cpu_seconds: float
    rss_mb: float


def share_out() -> Cores:
    """Choose the cores, and keep this process, with the broker that it starts next, on the last one."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores((), -1)
    allowed = sorted(os.sched_getaffinity(0))
    use_core(allowed[-1])
    return Cores(tuple(allowed[:-1]) or (allowed[0],), allowed[-1])


def usage(processes: Sequence[subprocess.Popen[bytes]]) -> Usage:
    """Ask the kernel (Linux).

    >>> usage([])
    Usage(cpu_seconds=0.0, rss_mb=0.0)
    """
    ticks, kilobytes = 0, 0
    for process in processes:
        folder = Path(f"/proc/{process.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # proc(5): utime, stime
        found = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
        kilobytes += int(found[1]) if found else 0
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), kilobytes / 1024)


def load() -> float:
    """Return the load average of the last minute: far above 1, others are at work and the figures are pessimistic."""
    return round(os.getloadavg()[0], 1)
