"""Which Kafka a command talks to: a pipeline file's, or the one named on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.errors import UserError
from agents.cli.options import DEFAULT_CONFIG
from streams.settings import PipelineSettings

OptionalConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="PENSTOCK_CONFIG", help="The pipeline file that names the broker."
    ),
]
ServersOption = Annotated[
    str,
    typer.Option(
        "--bootstrap-servers",
        envvar="PENSTOCK_KAFKA__BOOTSTRAP_SERVERS",
        help="HOST:PORT of a broker, in place of the pipeline file's.",
    ),
]


def optional_pipeline(config: Path | None, servers: str) -> PipelineSettings | None:
    """Return the pipeline's settings; None where only the broker's address was given.

    Without either, `penstock.yaml` in this folder is taken.

    Raises:
        PipelineFileError: the file is not right.
        UserError: nothing says where Kafka is.
    """
    if config is None and not servers and not DEFAULT_CONFIG.is_file():
        raise UserError(
            "where is Kafka? say --bootstrap-servers HOST:PORT, or -c FILE for a pipeline file "
            f"(there is no {DEFAULT_CONFIG} here)"
        )
    if config is None and servers:
        return None
    from agents.pipeline_file import load_pipeline

    return load_pipeline(config or DEFAULT_CONFIG, os.environ)


def kafka_settings(
    pipeline: PipelineSettings | None, servers: str
) -> dict[str, str | int | float | bool]:
    """Return client settings by librdkafka's names; an address given by hand goes first."""
    found = dict(pipeline.kafka) if pipeline else {}
    return {**found, "bootstrap.servers": servers} if servers else found
