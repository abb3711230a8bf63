"""The memory that the bench reports is the contender's own."""

from __future__ import annotations

import os
import subprocess
import sys

from agents.bench.running import _peak_rss_bytes


def test_the_peak_is_the_child_s_and_not_what_its_parent_held() -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])  # so that the pages are really there
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.stdin is not None
        child_peak, own_peak = _peak_rss_bytes(child.pid), _peak_rss_bytes(os.getpid())
    finally:
        child.kill()
        child.communicate()
    assert own_peak > 200_000_000
    assert 0 < child_peak < 100_000_000


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert _peak_rss_bytes(child.pid) == 0
