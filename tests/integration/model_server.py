"""A fixture: KServe's model server, in an environment of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from agents.commands.broker.kafka import free_port
from benchmarks.harness.environments import UnavailableError, python_of
from tests.conftest import skip_or_fail
from tests.waiting import wait_until

FOLDER = Path(__file__).parent / "kserve_server"


class ModelServer(NamedTuple):
    """Where it listens, on 127.0.0.1."""

    http_port: int
    grpc_port: int


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The ports of a server with the models of `kserve_server/server.py`."""
    try:
        python = python_of(FOLDER / "requirements.lock")
    except UnavailableError as error:
        skip_or_fail(str(error))
    ports = ModelServer(free_port(0), free_port(0))
    log = tmp_path_factory.mktemp("kserve") / "server.log"
    command = [str(python), str(FOLDER / "server.py"), *map(str, ports)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as child:
        try:
            wait_until("the model server is ready", lambda: _is_ready(ports.http_port, child), 90)
            yield ports
        finally:
            child.terminate()
            child.wait(20)


def _is_ready(port: int, child: subprocess.Popen[bytes]) -> bool:
    assert child.poll() is None, "the model server ended"
    try:
        url = f"http://127.0.0.1:{port}/v2/health/ready"
        return httpx.get(url, trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False
