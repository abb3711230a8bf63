"""A locked Python environment for each peer, built on first use into the cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Written last: an environment without it is incomplete.
_STAMP = ".complete"


class UnavailableError(Exception):
    """A contender can't run on this machine; the message says why, in one line."""


def cache_folder() -> Path:
    """Return the folder of the contenders' environments; it may not exist yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "penstock" / "bench"


def python_of(lock: Path) -> Path:
    """Return the Python of the environment that a lock file describes; build it if absent.

    It has this interpreter's version: every Python contender runs on the same one.

    Args:
        lock: a `requirements.lock` with hashes.

    Raises:
        UnavailableError: uv is absent, or something can't be installed.
    """
    folder = cache_folder() / f"{lock.parent.name}-{_fingerprint(lock)}"
    python = folder / "bin" / "python"
    with one_at_a_time(folder):
        if not (folder / _STAMP).is_file():
            _build(folder, python, lock)
    return python


def is_built(lock: Path) -> bool:
    """Whether the environment exists already."""
    return (cache_folder() / f"{lock.parent.name}-{_fingerprint(lock)}" / _STAMP).is_file()


def version_in(python: Path, distribution: str) -> str:
    """Return the version of a distribution in that environment."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    return _run([str(python), "-I", "-c", code], distribution).strip()


def _fingerprint(lock: Path) -> str:
    content = lock.read_bytes() + platform.python_version().encode()
    return hashlib.sha256(content).hexdigest()[:12]


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep two benches from building the same environment at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, python: Path, lock: Path) -> None:
    uv = _uv()
    shutil.rmtree(folder, ignore_errors=True)
    _run([uv, "venv", "-q", "--python", sys.executable, str(folder)], lock.parent.name)
    install = [uv, "pip", "install", "-q", "--python", str(python), "--require-hashes"]
    _run([*install, "-r", str(lock)], lock.parent.name)
    (folder / _STAMP).touch()


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.is_file() else shutil.which("uv")
    if program is None:
        raise UnavailableError("uv is absent: `make setup` installs it")
    return program


def _run(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = " ".join((done.stderr or done.stdout).split())
        raise UnavailableError(f"{what}: can't build its environment: {output[-300:]}")
    return done.stdout
