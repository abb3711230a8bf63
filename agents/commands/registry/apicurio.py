"""Apicurio Registry on the local JVM, on the loopback interface; it speaks Confluent's API.

The archive is downloaded once by Maven into the user's cache. Schemas are kept in memory, or with
a folder in an H2 database there.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from agents.commands.broker.kafka import HOST, free_port
from agents.commands.broker.maven import (
    cache_folder,
    copy_dependencies,
    program,
    temporary_beside,
)
from agents.commands.broker.process import BrokerProcess
from streams.kafka.errors import BrokerError

#: Where Apicurio speaks the API of Confluent's registry.
API_PATH = "/apis/ccompat/v7"

_NAME = "Apicurio Registry"
_POM = Path(__file__).parents[3] / "deploy" / "registry" / "pom.xml"
_HEAP = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC")
_PROBE_SECONDS = 2.0


@contextmanager
def local_registry(port: int = 0, data_dir: Path | None = None) -> Iterator[BrokerProcess]:
    """Run the registry for the length of a `with` block; `bootstrap_servers` is its URL.

    Args:
        port: on 127.0.0.1; 0 for any free port.
        data_dir: folder to keep the schemas in; None: they are lost when it stops.

    Raises:
        BrokerError: Java or Maven is absent, the port is taken, or it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-registry-") as temporary:
        folder = data_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        registry = _process(free_port(port), folder, is_kept=data_dir is not None)
        registry.start(timeout=120.0)
        try:
            yield registry
        finally:
            registry.stop()


def _process(port: int, folder: Path, is_kept: bool) -> BrokerProcess:
    java = program("java", "default-jre-headless", _NAME)
    properties = {
        "quarkus.http.host": HOST,
        "quarkus.http.port": str(port),
        "quarkus.log.console.color": "false",
    }
    if is_kept:
        # Without the option, half a second's schemas are lost when it is killed.
        database = f"jdbc:h2:file:{folder.absolute() / 'schemas'};WRITE_DELAY=0"
        properties["apicurio.datasource.url"] = database
    options = [f"-D{name}={value}" for name, value in properties.items()]
    url = f"http://{HOST}:{port}{API_PATH}"
    command = [java, *_HEAP, *options, "-jar", str(registry_program())]
    return BrokerProcess(
        _NAME, command, folder / "registry.log", lambda output: url if _answers(url) else None
    )


def _answers(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/subjects", timeout=_PROBE_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def registry_program() -> Path:
    """Return the registry's runnable jar; download and unpack it first if needed (109 MB).

    Raises:
        BrokerError: Maven or the pom is missing, or the download failed.
    """
    if not _POM.is_file():
        raise BrokerError(f"{_POM} is missing: run from a checkout of Penstock")
    folder = cache_folder("registry", _POM)
    if not folder.is_dir():
        _download(folder)
    return next(folder.glob("*-runner.jar"))


def _download(folder: Path) -> None:
    maven = program("mvn", "maven", _NAME)
    with temporary_beside(folder) as temporary:
        copy_dependencies(maven, _POM, Path(temporary), _NAME)
        archive = next(Path(temporary).glob("*.tar.gz"))
        unpacked = Path(temporary) / "unpacked"
        with tarfile.open(archive) as file:
            file.extractall(unpacked, filter="data")
        try:
            unpacked.rename(folder)  # complete at once: two processes may download
        except OSError:
            if not folder.is_dir():
                raise
