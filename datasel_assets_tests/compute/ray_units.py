"""What the units of the tests do, in a module that a worker finds."""

import os
import signal
import time
from pathlib import Path


def square(folder: str, number: int, seconds: float = 0.0) -> dict[str, int]:
    """Write a file, once, after ``seconds``."""
    path = Path(folder) / f"{number}.txt"
    (Path(folder) / f"{number}.try-{os.getpid()}-{time.time_ns()}").touch()
    if not path.is_file():
        time.sleep(seconds)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(str(number * number))
        partial.replace(path)
    return {"square": number * number}


def die(folder: str, number: int) -> dict[str, int]:
    """Take the worker along."""
    (Path(folder) / f"{number}.try-{os.getpid()}-{time.time_ns()}").touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def fail(folder: str, number: int) -> dict[str, int]:
    """Raise what an odd row would."""
    raise ValueError(f"{number} is odd")
