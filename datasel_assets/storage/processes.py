"""Processes by a name that outlives them: host, number, time of start.

Belongs here: naming this process and telling whether a named one is over. Not: what its end means for what it did.
"""

import os
import socket

import psutil


def this_process() -> str:
    """Return ``host/pid/start`` of the running process; the start tells it from a later owner of its number."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.0f}"


def is_gone(process: str) -> bool:
    """Tell whether a named process of this host is over; of other hosts nothing is known, so they count as alive."""
    host, pid, start = process.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - int(start)) > 2
    except psutil.NoSuchProcess:
        return True
