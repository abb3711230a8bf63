"""Compare the speed of ONNX files on this machine, in turns, so that both see the same load."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.export.source import Feed
from models.onnx_session import open_session

_MIN_SECONDS, _MIN_ROUNDS, _MAX_ROUNDS = 4.0, 5, 60


def open_file(path: Path, threads: int = 1) -> Any:
    """Open an ONNX file on the CPU.

    Raises:
        ModelError: ONNX Runtime can't run it.
    """
    return open_session(path, "cpu", threads)


def run_all(path: Path, feeds: Sequence[Feed], threads: int = 1) -> list[list[Any]]:
    """Return the outputs of a file for each input."""
    session = open_file(path, threads)
    return [session.run(None, feed) for feed in feeds]


def times_as_fast(old: Path, new: Path, feeds: Sequence[Feed], threads: int) -> float:
    """Return how many times as fast the new file is: the median over rounds of both.

    Args:
        old: the file to compare with.
        new: the file to rate.
        feeds: inputs of one round.
        threads: of ONNX Runtime.
    """
    sessions = [open_file(path, threads) for path in (old, new)]
    for session in sessions:
        session.run(None, feeds[0])
    ratios, started = list[float](), time.monotonic()
    while len(ratios) < _MAX_ROUNDS:
        spent = []
        for session in sessions:
            start = time.perf_counter()
            for feed in feeds:
                session.run(None, feed)
            spent.append(time.perf_counter() - start)
        ratios.append(spent[0] / spent[1])
        if len(ratios) >= _MIN_ROUNDS and time.monotonic() - started > _MIN_SECONDS:
            break
    return float(np.median(ratios))
