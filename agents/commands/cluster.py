"""Which Kafka a command talks to: a pipeline file's, or the one named on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.terminal import DEFAULT_CONFIG
from agents.errors import UserError
from streams.settings import PipelineSettings

#: The environment's word for it, which also goes before a pipeline file's.
SERVERS_VARIABLE = "PENSTOCK_KAFKA__BOOTSTRAP_SERVERS"

OptionalConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="PENSTOCK_CONFIG", help="The pipeline file that names the broker."
    ),
]
ServersOption = Annotated[
    str,
    typer.Option(
        "--bootstrap-servers", help="HOST:PORT of a broker, in place of the pipeline file's."
    ),
]


def optional_pipeline(config: Path | None, servers: str) -> PipelineSettings | None:
    """Return the pipeline's settings; None where only the broker's address was given.

    Without either, `penstock.yaml` in this folder is taken, and without that the environment's
    address.

    Raises:
        PipelineFileError: the file is not right.
        UserError: nothing says where Kafka is.
    """
    if config is None and not servers and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    if config is not None:
        from agents.pipeline.file import load_pipeline

        return load_pipeline(config, os.environ)
    if not servers and not os.environ.get(SERVERS_VARIABLE):
        raise UserError(
            "where is Kafka? say --bootstrap-servers HOST:PORT, or -c FILE for a pipeline file "
            f"(there is no {DEFAULT_CONFIG} here, and {SERVERS_VARIABLE} is not set)"
        )
    return None


def kafka_settings(
    pipeline: PipelineSettings | None, servers: str
) -> dict[str, str | int | float | bool]:
    """Return client settings by librdkafka's names; an address given by hand goes first."""
    if pipeline is None:
        return {"bootstrap.servers": servers or os.environ[SERVERS_VARIABLE]}
    return {**pipeline.kafka, **({"bootstrap.servers": servers} if servers else {})}
