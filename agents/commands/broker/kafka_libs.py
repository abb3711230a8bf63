"""Find Apache Kafka's jars: in KAFKA_HOME, or downloaded once by Maven into a cache folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agents.commands.broker.maven import (
    cache_folder,
    copy_dependencies,
    program,
    temporary_beside,
)
from streams.kafka.errors import BrokerError

DEPLOY = Path(__file__).parents[3] / "deploy" / "kafka"
#: What to do without Java or Maven.
INSTEAD = ", or use `penstock broker embedded`"


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
    libs = Path(named).expanduser() if named else cache_folder("kafka", _pom())
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


def _download(libs: Path) -> None:
    maven, pom = program("mvn", "maven", "Apache Kafka", INSTEAD), _pom()
    with temporary_beside(libs) as folder:
        downloaded = Path(folder) / "libs"
        copy_dependencies(maven, pom, downloaded, "Apache Kafka")
        _move(downloaded, libs)


def _move(downloaded: Path, libs: Path) -> None:
    """Move the complete folder into place at once: two processes may download at the same time."""
    try:
        downloaded.rename(libs)
    except OSError:
        if not _has_kafka(libs):
            shutil.copytree(downloaded, libs, dirs_exist_ok=True)
