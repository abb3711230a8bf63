"""What fails around a worker: its log, the names of its brokers, a broker that is late."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from agents.commands.broker import kafka_broker
from tests.brokers import need_kafka
from tests.integration.probing import is_ready, probe
from tests.integration.running import Pipeline, number, plain_environment, until
from tests.integration.test_faults import assert_nothing_is_lost

_RUN = [sys.executable, "-c", "from agents.commands.main import main; main()", "worker"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("log", ["full", "closed", "a pipe that nobody reads"])
def test_a_worker_works_on_without_its_log(
    tmp_path: Path, embedded_bootstrap: str, log: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    # A bad record now and then, and a rebalance, are told; DEBUG tells everything.
    count = pipeline.produce([*(number(i) for i in range(100, 300)), b"{bad"])
    command = [*_RUN, "-c", str(pipeline.config), "--log-level", "DEBUG"]
    if log == "closed":
        command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
    read, write = os.pipe()
    with open("/dev/full", "w") as full:
        output = write if log.startswith("a pipe") else full
        process = subprocess.Popen(command, stdout=output, stderr=output, env=plain_environment())
    os.close(write)
    os.close(read)
    try:
        pipeline.await_finished(count)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


#: uvloop asks the C library by itself, where no test can step in.
_NAMES_THAT_GO = """
import os, socket, sys
sys.modules["uvloop"] = None
_getaddrinfo = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if host == "broker.penstock.test":
        if os.path.exists(os.environ["NAMES_ARE_AWAY"]):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        host = "127.0.0.1"
    return _getaddrinfo(host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.kafka
@pytest.mark.faults
def test_a_broker_whose_name_no_longer_resolves_is_waited_for(tmp_path: Path) -> None:
    need_kafka()
    away = tmp_path / "names-are-away"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_NAMES_THAT_GO)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])
    plain, named, controller = free_ports(3)
    with kafka_broker(plain, properties=_two_listeners(plain, named, controller)) as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        settings = pipeline.settings()
        settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{named}"
        pipeline.config.write_text(yaml.safe_dump(settings))
        first = pipeline.produce(number(100 + i) for i in range(8000))
        with pipeline.worker(PYTHONPATH=path, NAMES_ARE_AWAY=str(away)) as worker:
            until(lambda: is_ready(worker) and worker.accounts()["answered"] > 500, timeout=60)
            away.touch()
            broker.restart()  # connections that are open need no name
            until(lambda: probe(worker, "/ready")[0] == 503)
            time.sleep(12)
            ready = probe(worker, "/ready")[1]
            assert "the broker has not answered for" in ready["reasons"][0]
            assert probe(worker, "/live")[0] == 200
            assert worker.process.poll() is None
            away.unlink()
            pipeline.await_finished(first, timeout=90)
            assert worker.stop() == 0, worker.log.read_text()
        log = worker.log.read_text()
        assert "Traceback" not in log
        assert log.count("the broker has not answered for") == 1
        assert_nothing_is_lost(pipeline, first)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _two_listeners(plain: int, named: int, controller: int) -> dict[str, str]:
    """One for the test, by address, and one for the worker, by a name."""
    return {
        "listeners": f"CLIENT://127.0.0.1:{plain},NAMED://127.0.0.1:{named},"
        f"CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{plain},NAMED://broker.penstock.test:{named}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,NAMED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
    }
