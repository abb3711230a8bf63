"""`make audit-deps` fails on a known vulnerability, and on nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPO

_UNKNOWN = "name x Dependency not found on PyPI and could not be audited: name (1)\n"


@pytest.mark.parametrize(
    ("answer", "code", "expected", "words"),
    [
        ("No known vulnerabilities found\n", 0, 0, "no known vulnerability in "),
        ("Found 2 known vulnerabilities in 1 package\npillow 1.0 GHSA-1\n", 1, 1, "pillow 1.0"),
        ("ConnectionError: no route\n", 1, 0, "skipped, pip-audit can't reach its data: Conn"),
        ("No known vulnerabilities found\n" + _UNKNOWN * 500, 0, 0, "skipped, none of "),
        ("No known vulnerabilities found\n" + _UNKNOWN * 3, 0, 0, "3 could not be looked up"),
    ],
)
def test_exit_code_and_message_by_the_answer_of_pip_audit(
    tmp_path: Path, answer: str, code: int, expected: int, words: str
) -> None:
    (tmp_path / "answer").write_text(answer)
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\nexit {code}\n")
    uv.chmod(0o755)
    done = subprocess.run(
        [REPO / ".ci" / "audit-deps"], cwd=REPO, env={**os.environ, "BIN": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == expected, done.stdout
    assert words in done.stdout
