"""Apache Kafka on the local JVM: one node in KRaft mode, on the loopback interface."""

from __future__ import annotations

import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker.kafka_libs import DEPLOY, INSTEAD, kafka_libs
from agents.commands.broker.maven import program
from agents.commands.broker.process import BrokerProcess
from streams.kafka.errors import BrokerError

HOST = "127.0.0.1"
_HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC")
#: One node can't replicate, and needs no waiting for other nodes or other members.
_ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker can return once the controller has fenced it: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
}


@contextmanager
def kafka_broker(
    port: int = 0,
    data_dir: Path | None = None,
    properties: Mapping[str, str] | None = None,
) -> Iterator[BrokerProcess]:
    """Run Apache Kafka for the length of a `with` block.

    Args:
        port: of the clients' listener, on 127.0.0.1; 0 for any free port.
        data_dir: folder to keep the data in, which may hold data already; None: a temporary one.
        properties: of `server.properties`, override the defaults (for TLS or passwords).

    Raises:
        BrokerError: Java or Maven is absent, the port is taken, or the broker did not start.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as temporary:
        ports = (free_port(port), free_port(0))
        broker = prepare(data_dir or Path(temporary), ports, properties or {}, new_cluster_id())
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def prepare(
    folder: Path, ports: tuple[int, int], properties: Mapping[str, str], cluster_id: str
) -> BrokerProcess:
    """Prepare one node, without starting it.

    Args:
        folder: for its configuration, its log and its data.
        ports: of the clients' listener and the controllers', on 127.0.0.1.
        properties: of `server.properties`, override the defaults.
        cluster_id: used if the folder holds no data yet.

    Raises:
        BrokerError: Java or Maven is absent, or the folder can't be formatted.
    """
    java, libs = program("java", "default-jre-headless", "Apache Kafka", INSTEAD), kafka_libs()
    config = _write_config(folder, ports, properties)
    jvm = [java, *_HEAP, *_logging(), "-cp", f"{libs}/*"]
    if not (folder / "data" / "meta.properties").is_file():
        _format(jvm, config, cluster_id)
    return BrokerProcess(
        "Apache Kafka",
        [*jvm, "kafka.Kafka", str(config)],
        folder / "server.log",
        lambda output: f"{HOST}:{ports[0]}" if "Kafka Server started" in output else None,
    )


def free_port(port: int) -> int:
    """Check that a port of 127.0.0.1 is free and return it; 0 picks any free port.

    Raises:
        BrokerError: it is not free.
    """
    with socket.socket() as probe:
        # As Kafka does: after a restart, a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise BrokerError(
                f"port {port} can't be used: {error.strerror}: choose another port"
            ) from None
        return int(probe.getsockname()[1])


def _write_config(folder: Path, ports: tuple[int, int], properties: Mapping[str, str]) -> Path:
    clients, controller = (f"{HOST}:{port}" for port in ports)
    settings = {
        **_ONE_NODE,
        "listeners": f"CLIENT://{clients},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENT://{clients}",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(folder / "data"),
        **properties,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "server.properties"
    # The file may contain passwords.
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def _logging() -> list[str]:
    # reload4j reads the first (the fetched jars), log4j 2 the second (a KAFKA_HOME).
    return [f"-Dlog4j.configuration=file:{DEPLOY / 'log4j.properties'}", "-Dlog4j2.level=INFO"]


def new_cluster_id() -> str:
    """Return an id for a new cluster."""
    # Kafka expects 22 characters of URL-safe base64; a leading "-" would look like an option.
    return "P" + secrets.token_urlsafe(16)[1:]


def _format(jvm: list[str], config: Path, cluster_id: str) -> None:
    tool = [*jvm, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(config)]
    result = subprocess.run(tool, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = _reason(result.stderr or result.stdout)[:300]
        raise BrokerError(f"can't format {config.parent} for Apache Kafka: {reason}")


def _reason(output: str) -> str:
    """Return the line of a Java program's output that best explains its failure."""
    lines = output.strip().splitlines() or ["it printed nothing"]
    causes = [line for line in lines if line.startswith("Caused by:")]
    thrown = [line for line in lines if "Exception" in line or "Error" in line]
    return (causes[-1:] or thrown[:1] or lines[-1:])[0].strip()
