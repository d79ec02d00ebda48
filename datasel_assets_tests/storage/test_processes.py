"""A process that ended is told from a living one, from a later owner of its number, and from one elsewhere."""

import os
import socket
import subprocess
import sys

import psutil

from datasel_assets.storage.processes import is_gone, this_process


def dead_process() -> str:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    started = psutil.Process(process.pid).create_time()
    process.wait()
    return f"{socket.gethostname()}/{process.pid}/{started:.0f}"


def test_a_process_that_ended_is_gone_and_this_one_is_not():
    assert is_gone(dead_process())
    assert not is_gone(this_process())


def test_a_reused_process_number_does_not_keep_a_run_alive():
    assert is_gone(f"{socket.gethostname()}/{os.getpid()}/12345")


def test_nothing_is_assumed_about_other_hosts():
    assert not is_gone("elsewhere.example/1/12345")
