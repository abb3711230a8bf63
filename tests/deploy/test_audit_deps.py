"""`make audit-deps` fails on what pip-audit knows, and on nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPO

_UNKNOWN = "name x Dependency not found on PyPI and could not be audited: name (1)\n"


@pytest.mark.parametrize(
    ("said", "code", "expected", "words"),
    [
        ("No known vulnerabilities found\n", 0, 0, "no known weakness in "),
        ("Found 2 known vulnerabilities in 1 package\npillow 1.0 GHSA-1\n", 1, 1, "pillow 1.0"),
        ("ConnectionError: no route\n", 1, 0, "skipped, pip-audit has no data: ConnectionError"),
        ("No known vulnerabilities found\n" + _UNKNOWN * 500, 0, 0, "skipped, none of "),
        ("No known vulnerabilities found\n" + _UNKNOWN * 3, 0, 0, "3 could not be looked up"),
    ],
)
def test_what_it_makes_of_the_answer(
    tmp_path: Path, said: str, code: int, expected: int, words: str
) -> None:
    (tmp_path / "said").write_text(said)
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit {code}\n")
    uv.chmod(0o755)
    done = subprocess.run(
        [REPO / ".ci" / "audit-deps"], cwd=REPO, env={**os.environ, "BIN": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == expected
    assert words in done.stdout
