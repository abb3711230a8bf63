"""Failures around a worker: its log can't be written, a broker's name does not resolve."""

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

from agents.commands import PENSTOCK
from agents.commands.broker import kafka_broker
from tests.brokers import need_kafka
from tests.integration.outcomes import assert_nothing_is_lost
from tests.integration.pipelines import Pipeline, number
from tests.penstock_command import plain_environment
from tests.waiting import wait_until


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("log", ["full", "closed", "a pipe that nobody reads"])
def test_a_worker_runs_without_its_log(tmp_path: Path, embedded_bootstrap: str, log: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    count = pipeline.produce([*(number(i) for i in range(100, 300)), b"{bad"])
    # DEBUG, so that it tries to log much.
    command = [*PENSTOCK, "worker", "-c", str(pipeline.config), "--log-level", "DEBUG"]
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


#: Without uvloop, which resolves names in C, where a test can't intervene.
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
def test_a_worker_waits_while_the_broker_s_name_does_not_resolve(tmp_path: Path) -> None:
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
            worker.await_ready()
            worker.await_answered(500)
            away.touch()
            broker.restart()  # open connections need no name
            wait_until("/ready answers 503", lambda: worker.probe("/ready")[0] == 503)
            time.sleep(12)
            ready = worker.probe("/ready")[1]
            assert "the broker has not answered for" in ready["reasons"][0]
            assert worker.probe("/live")[0] == 200
            assert worker.is_running(), worker.log_text()
            away.unlink()
            pipeline.await_finished(first, timeout=90)
            worker.stop()
        log = worker.log_text()
        assert "Traceback" not in log
        assert log.count("the broker has not answered for") == 1
        assert_nothing_is_lost(pipeline, first)


def free_ports(count: int) -> list[int]:
    """Ports that no process listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _two_listeners(plain: int, named: int, controller: int) -> dict[str, str]:
    """Settings of a broker with two listeners: by address for the test, by name for the worker."""
    return {
        "listeners": f"CLIENT://127.0.0.1:{plain},NAMED://127.0.0.1:{named},"
        f"CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{plain},NAMED://broker.penstock.test:{named}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,NAMED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
    }
