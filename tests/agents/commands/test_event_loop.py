"""A worker's loops are uvloop's, those of its threads too; without uvloop they are Python's."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import asyncio, sys, warnings
{before}
from agents.commands.event_loop import use_fast_loop
use_fast_loop()
loop = asyncio.new_event_loop()
print(type(loop).__module__.split(".")[0])
loop.close()
"""


def loop_made(before: str = "") -> str:
    command = [sys.executable, "-c", _CODE.format(before=before)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_uvloop_is_used_where_it_is() -> None:
    assert loop_made() == "uvloop"


def test_without_it_the_standard_loop_is() -> None:
    assert loop_made("sys.modules['uvloop'] = None") == "asyncio"
