"""Find Apache Kafka's jars: in KAFKA_HOME, or downloaded once by Maven into a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from streams.kafka.errors import BrokerError

DEPLOY = Path(__file__).parents[3] / "deploy" / "kafka"


def program(name: str, package: str) -> str:
    """Return the path of a program.

    Raises:
        BrokerError: it is not installed; the message says how to install it.
    """
    path = shutil.which(name)
    if path is None:
        raise BrokerError(
            f"`{name}` is not installed, and Apache Kafka needs it: install it (`make tools`, or "
            f"on Debian `apt-get install {package}`), or use `penstock broker embedded`"
        )
    return path


def kafka_libs() -> Path:
    """Return the folder of the broker's jars; download them first if needed (54 MB).

    The folder is PENSTOCK_KAFKA_LIBS if that is set. Otherwise it is KAFKA_HOME's `libs`, to which
    nothing is downloaded, or a folder in the user's cache, named by the versions in
    deploy/kafka/pom.xml.

    Raises:
        BrokerError: Maven or the pom is missing, or the download failed.
    """
    named = os.environ.get("PENSTOCK_KAFKA_LIBS")
    if not named and (home := os.environ.get("KAFKA_HOME")):
        return _libs_of(Path(home))
    libs = Path(named).expanduser() if named else _cache_folder()
    if not _has_kafka(libs):
        _download(libs)
    return libs


def _has_kafka(libs: Path) -> bool:
    return any(libs.glob("kafka_2.1*.jar"))


def _libs_of(home: Path) -> Path:
    if not _has_kafka(home / "libs"):
        raise BrokerError(f"KAFKA_HOME is {home}, but no kafka_2.13-*.jar is in {home / 'libs'}")
    return home / "libs"


def _pom() -> Path:
    pom = DEPLOY / "pom.xml"
    if not pom.is_file():
        raise BrokerError(
            f"{pom} is missing: run from a checkout of Penstock, or set KAFKA_HOME to an unpacked "
            "Apache Kafka"
        )
    return pom


def _cache_folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    versions = hashlib.sha256(_pom().read_bytes()).hexdigest()[:12]
    return cache / "penstock" / f"kafka-{versions}"


def _download(libs: Path) -> None:
    maven, pom = program("mvn", "maven"), _pom()
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix=".downloading-") as folder:
        downloaded = Path(folder) / "libs"
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        command.append(f"-DoutputDirectory={downloaded}")
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BrokerError(f"Maven can't download Apache Kafka: {_first_error(result.stdout)}")
        _move(downloaded, libs)


def _move(downloaded: Path, libs: Path) -> None:
    """Move the complete folder into place at once: two processes may download at the same time."""
    try:
        downloaded.rename(libs)
    except OSError:
        if not _has_kafka(libs):
            shutil.copytree(downloaded, libs, dirs_exist_ok=True)


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "ERROR" in line]
    return (errors or output.splitlines() or ["it printed nothing"])[0][:300]
