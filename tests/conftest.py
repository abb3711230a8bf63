"""Fixtures for every test: where the real data lies, and how a missing tool skips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.brokers"]

REPO = Path(__file__).parent.parent


def skip_or_fail(reason: str) -> None:
    """Skip with the reason; fail instead where the machine is meant to have everything."""
    if os.environ.get("PENSTOCK_REQUIRE_ALL") == "1":
        pytest.fail(f"PENSTOCK_REQUIRE_ALL=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; `PENSTOCK_TEST_DATA` names another one."""
    default = REPO.parent / "shared" / "data"
    folder = Path(os.environ.get("PENSTOCK_TEST_DATA", default))
    if not (folder / "README.md").is_file():
        # Real data is never part of the repository, so its absence fails nobody's run.
        pytest.skip(f"no real data at {folder}: set PENSTOCK_TEST_DATA to a folder that has it")
    return folder
