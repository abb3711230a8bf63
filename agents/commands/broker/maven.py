"""Programs that brokers and registries need, and their jars: downloaded once by Maven."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from streams.kafka.errors import BrokerError


def program(name: str, package: str, needed_by: str, instead: str = "") -> str:
    """Return the path of a program.

    Args:
        name: of the program.
        package: Debian's package with it.
        needed_by: what needs it: "Apache Kafka".
        instead: what to do without it.

    Raises:
        BrokerError: it is not installed; the message says how to install it.
    """
    path = shutil.which(name)
    if path is None:
        raise BrokerError(
            f"`{name}` is not installed, and {needed_by} needs it: install it (`make tools`, or "
            f"on Debian `apt-get install {package}`){instead}"
        )
    return path


def cache_folder(name: str, pom: Path) -> Path:
    """Return the folder in the user's cache for what a pom names; new versions have another."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    versions = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    return cache / "penstock" / f"{name}-{versions}"


def copy_dependencies(maven: str, pom: Path, folder: Path, what: str) -> None:
    """Download what a pom names into a folder.

    Raises:
        BrokerError: the download failed.
    """
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={folder}")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BrokerError(f"Maven can't download {what}: {_first_error(result.stdout)}")


def temporary_beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder on the same disk, from which a download can be renamed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=folder.parent, prefix=".downloading-")


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "ERROR" in line]
    return (errors or output.splitlines() or ["it printed nothing"])[0][:300]
