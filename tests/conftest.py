"""Set up every test: real data, missing tools, logs on failure, `slow` by folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported, here and in the workers that tests start: threads that spin while they
# wait take the cores from the other test processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest.register_assert_rewrite(
    *(f"tests.{name}" for name in ("integration", "faults", "waiting", "streams", "fakes"))
)
pytest_plugins = ["tests.brokers", "tests.registries"]

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPO = Path(__file__).parent.parent
_LOG_LINES = 40
#: Every test of this folder starts workers and waits for them.
_SLOW_FOLDER = REPO / "tests" / "integration"


def skip_or_fail(reason: str) -> None:
    """Skip with the reason; fail instead on a machine that must run every test."""
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow folder as slow, before `-m` selects."""
    for item in items:
        if item.path.is_relative_to(_SLOW_FOLDER):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of each log in the test's folder to the report of a failure."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.rglob("*.log"), key=lambda path: path.stat().st_mtime):
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            report.sections.append((f"end of {log.relative_to(folder)}", "\n".join(lines)))
    return report
