"""Tests lie as the product does: tests/agents/test_worker.py is about agents/worker.py."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import REPO

MIRRORED = ("agents", "streams", "models", "schemas", "benchmarks")
#: Test files that are about no single product file.
CROSS_CUTTING: set[str] = set()


def has_product_file(test: Path) -> bool:
    """Return whether the product has a module or package at the test file's place.

    A test file named after its folder is about that package.
    """
    name = test.stem.removeprefix("test_")
    folder = REPO / test.parent.relative_to(REPO / "tests")
    is_package = (folder / name / "__init__.py").is_file()
    return (folder / f"{name}.py").is_file() or is_package or name == folder.name


def test_each_test_file_has_its_product_file() -> None:
    tests = [test for top in MIRRORED for test in (REPO / "tests" / top).rglob("test_*.py")]
    without = {str(test.relative_to(REPO)) for test in tests if not has_product_file(test)}
    unexpected = sorted(without - CROSS_CUTTING)
    assert not unexpected, (
        "these test files have no product file of their name: move or rename them, or list them "
        f"in CROSS_CUTTING: {unexpected}"
    )
    stale = sorted(CROSS_CUTTING - without)
    assert not stale, f"CROSS_CUTTING lists files that are gone or have a product file: {stale}"
