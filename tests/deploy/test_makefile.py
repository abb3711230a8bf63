"""The Makefile: its targets in a fresh clone, its errors, and which tests each target runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import REPO


def make(*arguments: str, folder: Path = REPO) -> subprocess.CompletedProcess[str]:
    # Without the flags that an outer make (`make test`) passes down.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """A folder with the files that `make setup` reads, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPO / name, tmp_path / name)
    return tmp_path


def targets() -> list[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    return phony[1].split()


def test_help_names_every_target() -> None:
    lines = make().stdout.splitlines()
    assert [line.split()[1] for line in lines] == targets()


@pytest.mark.parametrize("target", targets())
def test_every_target_can_be_planned_in_a_fresh_clone(target: str, fresh_clone: Path) -> None:
    planned = make("-n", target, folder=fresh_clone)
    assert planned.returncode == 0, planned.stderr
    assert not (fresh_clone / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_demo_and_test_install_with_hashes_first(target: str, fresh_clone: Path) -> None:
    planned = make("-n", target, folder=fresh_clone).stdout
    assert planned.index("-m venv .venv") < planned.index("--require-hashes -r requirements.lock")
    assert planned.index("--require-hashes") < planned.index(f".venv/bin/{_first_program(target)}")


def _first_program(target: str) -> str:
    return {"demo": "penstock demo", "test": "ruff check"}[target]


def test_demo_takes_a_data_folder() -> None:
    assert "penstock demo --data ../shared/data" in make("-n", "demo", "DATA=../shared/data").stdout


def test_setup_with_an_old_python_fails_and_makes_nothing(fresh_clone: Path) -> None:
    old = fresh_clone / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")  # as the version check of 3.10 ends
    old.chmod(0o755)
    for python in (str(old), "no-such-python", ""):
        done = make("setup", f"PYTHON={python}", folder=fresh_clone)
        assert done.returncode != 0
        assert "make setup: Python 3.11 or newer is needed: install it" in done.stderr
        assert not (fresh_clone / ".venv").exists()


def test_setup_installs_again_only_after_a_change_of_the_lock(fresh_clone: Path) -> None:
    stamp = fresh_clone / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert make("-q", "setup", folder=fresh_clone).returncode == 0
    for name in ("requirements.lock", "pyproject.toml"):
        shown = make("-n", "-W", name, "setup", folder=fresh_clone).stdout
        assert "--compile-bytecode --require-hashes" in shown


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = (REPO / "requirements.lock").read_text()
    assert "://" not in lock
    assert "index-url" not in lock
    pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[.+\])?==", lock, re.MULTILINE)
    assert len(pins) > 50
    assert len(re.findall(r"^\S+==\S+.* \\\n    --hash=sha256:", lock, re.MULTILINE)) == len(pins)


def test_the_build_machine_runs_all_tests_and_skips_none() -> None:
    assert os.access(REPO / ".ci" / "run", os.X_OK)
    script = (REPO / ".ci" / "run").read_text().splitlines()
    expected = ["set -euo pipefail", "make tools", "export PENSTOCK_REQUIRE_ALL=1", "make test",
                "make test-all"]  # fmt: skip
    assert [line for line in script if line in expected] == expected


MARKERS = ("slow", "kafka", "end_to_end", "faults")


def markers_of(target: str) -> str:
    """The expression of markers that a target gives to pytest."""
    selected = re.search(r' -m "(.+?)"', make("-n", target).stdout)
    assert selected is not None, f"make {target} selects no markers"
    return selected[1]


def test_each_test_belongs_to_exactly_one_target() -> None:
    """Shown by trying every combination of markers: nothing runs twice or is left out."""
    expressions = {name: markers_of(name) for name in ("test", "test-all", "test-faults")}
    for values in product([False, True], repeat=len(MARKERS)):
        marked = dict(zip(MARKERS, values, strict=True))
        selecting = [name for name, markers in expressions.items() if eval(markers, {}, marked)]
        assert len(selecting) == 1, f"a test with {marked} is run by {selecting}"


def test_make_test_has_a_run_on_each_broker() -> None:
    command = ["--collect-only", "-q", "-m", "end_to_end", "tests/integration/test_worker.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *command],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    selected = [line for line in done.stdout.splitlines() if "::" in line]
    assert [line.rpartition("[")[2] for line in selected] == ["embedded]", "kafka]"], done.stdout
