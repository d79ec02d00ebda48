"""The most memory that this process has held since it was last asked to forget.

Belongs here: the counter of the kernel. Does not belong here: who asks (``making`` for each step, ``forecast``).
"""

import resource
from contextlib import suppress
from pathlib import Path


def reset_peak() -> None:
    """Start the peak-memory counter of this process anew, where Linux allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Return the most memory held since then, in MB; where there is no such counter, since the process began."""
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
