"""Run the `penstock` command in another process, as a shell does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agents.commands import PENSTOCK


def run_penstock(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run `penstock ARGUMENTS` to its end.

    Args:
        arguments: the command and its options.
        env: environment variables, over those of this process.
        cwd: the folder to run in.
        timeout: seconds after which the test fails.
    """
    return subprocess.run(
        [*PENSTOCK, *arguments],
        env={**plain_environment(), **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start_penstock(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
) -> subprocess.Popen[str]:
    """Start `penstock ARGUMENTS` and return at once.

    Args:
        arguments: the command and its options.
        env: environment variables, over those of this process.
        cwd: the folder to run in.
        log: a file that takes stdout and stderr; without one both are pipes.
    """
    command = [*PENSTOCK, *arguments]
    environment = {**plain_environment(), **(env or {})}
    if log is None:
        return subprocess.Popen(
            command, env=environment, cwd=cwd, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    with log.open("wb") as output:
        return subprocess.Popen(
            command, env=environment, cwd=cwd, text=True,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip


def plain_environment() -> dict[str, str]:
    """Return the environment without the developer's own pipeline file and settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PENSTOCK_CONFIG" and not (name.startswith("PENSTOCK_") and "__" in name)
    }
