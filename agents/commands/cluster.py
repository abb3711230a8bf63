"""Find the Kafka cluster that a command uses: one from a file or an option, or one it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.terminal import DEFAULT_CONFIG
from agents.errors import UserError
from streams.settings import PipelineSettings

#: Environment variable for the bootstrap servers; overrides the pipeline file.
SERVERS_VARIABLE = "PENSTOCK_KAFKA__BOOTSTRAP_SERVERS"

OptionalConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="PENSTOCK_CONFIG", help="The pipeline file that names the broker."
    ),
]
ServersOption = Annotated[
    str,
    typer.Option("--bootstrap-servers", help="HOST:PORT of a broker; overrides the pipeline file."),
]


def optional_pipeline(config: Path | None, servers: str) -> PipelineSettings | None:
    """Return the pipeline's settings; None if there is only a broker's address.

    With neither option, `penstock.yaml` in the current folder is read if it exists. Without it, the
    address must be in the environment.

    Raises:
        PipelineFileError: the file has mistakes.
        UserError: neither an option, the file nor the environment names a broker.
    """
    if config is None and not servers and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    if config is not None:
        from agents.pipeline.file import load_pipeline

        return load_pipeline(config, os.environ)
    if not servers and not os.environ.get(SERVERS_VARIABLE):
        raise UserError(
            "no broker is named: give --bootstrap-servers HOST:PORT, or a pipeline file with "
            f"-c FILE (there is no {DEFAULT_CONFIG} here, and {SERVERS_VARIABLE} is not set)"
        )
    return None


def kafka_settings(
    pipeline: PipelineSettings | None, servers: str
) -> dict[str, str | int | float | bool]:
    """Return client settings by librdkafka's names; `servers` overrides the pipeline's."""
    if pipeline is None:
        return {"bootstrap.servers": servers or os.environ[SERVERS_VARIABLE]}
    return {**pipeline.kafka, **({"bootstrap.servers": servers} if servers else {})}


@contextmanager
def broker_at(name: str) -> Iterator[str]:
    """Yield the bootstrap servers of the broker that a command names; start it if need be.

    Args:
        name: `embedded`, `kafka` (started on the local JVM), or HOST:PORT of a running cluster.

    Raises:
        BrokerError: it does not start.
    """
    from agents.commands.broker import embedded_broker, kafka_broker

    if name == "embedded":
        with embedded_broker() as broker:
            yield broker.bootstrap_servers
    elif name == "kafka":
        with kafka_broker() as broker:
            yield broker.bootstrap_servers
    else:
        yield name
