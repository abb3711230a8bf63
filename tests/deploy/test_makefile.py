"""The two commands of a fresh clone: what they would do, and what they say when they can't."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPO


def make(*arguments: str, folder: Path = REPO) -> subprocess.CompletedProcess[str]:
    # A make above this one (`make test`) would hand its own flags down.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """A folder with what `make setup` reads, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPO / name, tmp_path / name)
    return tmp_path


def targets() -> list[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    return phony[1].split()


def test_help_names_every_target() -> None:
    told = make().stdout
    assert [line.split()[1] for line in told.splitlines()] == targets()


@pytest.mark.parametrize("target", targets())
def test_every_target_can_be_planned_in_a_fresh_clone(target: str, fresh_clone: Path) -> None:
    planned = make("-n", target, folder=fresh_clone)
    assert planned.returncode == 0, planned.stderr
    assert not (fresh_clone / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_both_commands_set_up_first_with_hashes(target: str, fresh_clone: Path) -> None:
    planned = make("-n", target, folder=fresh_clone).stdout
    assert planned.index("-m venv .venv") < planned.index("--require-hashes -r requirements.lock")
    assert planned.index("--require-hashes") < planned.index(f".venv/bin/{_first_program(target)}")


def _first_program(target: str) -> str:
    return {"demo": "penstock demo", "test": "ruff check"}[target]


def test_the_demo_takes_a_folder() -> None:
    assert "penstock demo --data ../shared/data" in make("-n", "demo", "DATA=../shared/data").stdout


def test_a_python_that_is_too_old_is_told_and_nothing_is_made(fresh_clone: Path) -> None:
    old = fresh_clone / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the version check of 3.10 answers
    old.chmod(0o755)
    for python in (str(old), "no-such-python", ""):
        done = make("setup", f"PYTHON={python}", folder=fresh_clone)
        assert done.returncode != 0
        assert "make setup: Python 3.11 or newer is needed: install it" in done.stderr
        assert not (fresh_clone / ".venv").exists()


def test_a_changed_lock_installs_anew_and_an_unchanged_one_does_nothing(fresh_clone: Path) -> None:
    stamp = fresh_clone / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert make("-q", "setup", folder=fresh_clone).returncode == 0
    for name in ("requirements.lock", "pyproject.toml"):
        assert "--require-hashes" in make("-n", "-W", name, "setup", folder=fresh_clone).stdout


def test_the_lock_pins_by_hash_and_names_no_address() -> None:
    lock = (REPO / "requirements.lock").read_text()
    assert "://" not in lock
    assert "index-url" not in lock
    pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[.+\])?==", lock, re.MULTILINE)
    assert len(pins) > 50
    assert len(re.findall(r"^\S+==\S+.* \\\n    --hash=sha256:", lock, re.MULTILINE)) == len(pins)


def test_the_build_machine_installs_tools_and_lets_nothing_skip() -> None:
    script = (REPO / ".ci" / "run").read_text()
    assert os.access(REPO / ".ci" / "run", os.X_OK)
    assert script.index("set -euo pipefail") < script.index("make tools")
    assert script.index("make tools") < script.index("PENSTOCK_REQUIRE_ALL=1 make test")
