"""Where the contenders lie, and where what they need is kept."""

from __future__ import annotations

import os
from pathlib import Path

from agents.errors import UserError

_BENCHMARKS = Path(__file__).parents[1]


def benchmarks_folder() -> Path:
    """Return the folder of the contenders.

    Raises:
        UserError: Penstock was installed without it.
    """
    if not (_BENCHMARKS / "workloads").is_dir():
        raise UserError(f"{_BENCHMARKS} is absent: run the bench from a checkout of Penstock")
    return _BENCHMARKS


def cache_folder() -> Path:
    """Return the folder of the contenders' environments; it may not exist yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "penstock" / "bench"
