"""Standard streams that are closed, or that can't be written: no reason for a worker to end."""

from __future__ import annotations

import atexit
import os
import sys

_STANDARD = (0, 1, 2)


def open_what_is_closed() -> None:
    """Open the null device in place of standard streams that the caller has closed.

    Otherwise the first sockets and files get their numbers; libuv ends a process that closes one.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is taken, so that it is this one
            os.open(os.devnull, os.O_RDWR)


def forgive_unwritable() -> None:
    """Let what can't be written at the end be lost, instead of ending with exit code 120.

    For commands whose output is a log: what they have done is done, whoever hears of it.
    """
    atexit.register(_give_up_unwritable)


def _give_up_unwritable() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
