"""A worker's event loops are uvloop's if it is installed, those of its threads too."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import asyncio, sys, warnings
{before}
from agents.commands.worker import use_fast_loop
use_fast_loop()
loop = asyncio.new_event_loop()
print(type(loop).__module__.split(".")[0])
loop.close()
"""


def loop_made(before: str = "") -> str:
    command = [sys.executable, "-c", _CODE.format(before=before)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_uvloop_is_used_if_it_is_installed() -> None:
    assert loop_made() == "uvloop"


def test_without_uvloop_the_loop_is_python_s() -> None:
    assert loop_made("sys.modules['uvloop'] = None") == "asyncio"
