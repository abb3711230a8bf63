"""`penstock schemas`: the contract of a pipeline's topics, and guesses for other people's."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.cluster import (
    OptionalConfigOption,
    ServersOption,
    kafka_settings,
    optional_pipeline,
)
from agents.commands.framed_values import RegistryOption, framed_values
from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Export or register a pipeline's schemas, or infer the fields of a topic.",
)


@app.callback()
def group() -> None:
    """Export or register a pipeline's schemas, or infer the fields of a topic."""


@app.command()
def export(
    out: Annotated[
        Path,
        typer.Option(
            "--out", file_okay=False, help="The folder to write to; created if it does not exist."
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A pipeline file; without it, the shipped agents."),
    ] = None,
) -> None:
    """Write JSON Schema files and asyncapi.yaml into a folder.

    The folder gets one JSON Schema file for each type, and one AsyncAPI document of all topics.
    """
    from agents import AGENTS
    from agents.commands.schemas.export import export_files
    from agents.commands.schemas.flows import flows_of
    from agents.pipeline.file import load_pipeline
    from streams.settings import PipelineSettings

    if config is None:
        flows = flows_of(PipelineSettings(agents=AGENTS))
    else:
        flows = flows_of(load_pipeline(config, os.environ), config.parent)
    try:
        for path in export_files(flows, version("penstock"), out):
            typer.echo(path)
    except OSError as error:
        raise UserError(f"can't write to {out}: {error.strerror}") from error


@app.command()
def register(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check; change nothing in the registry.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Register the schemas of the results and dead letters that the agents write.

    That is of `output_codec` and `dead_letter_codec`: `avro`, `protobuf` or `json_schema`.
    A schema that can't read what the one before it wrote (BACKWARD) is refused. Workers never
    register a schema: they end with exit code 2 while one is absent.
    """
    import msgspec

    from agents.commands.schemas.register import pipeline_schemas
    from agents.commands.schemas.register import register as register_one
    from agents.pipeline.file import load_pipeline
    from agents.pipeline.schemas import make_client

    settings = load_pipeline(config, os.environ)
    schemas = list(pipeline_schemas(settings, config.parent))
    if not schemas:
        raise UserError(
            f"{config}: nothing to register: no agent has an `output_codec` or `dead_letter_codec` "
            "of avro, protobuf or json_schema"
        )
    with make_client(settings.registry) as client:
        done = [register_one(client, written, dry_run) for written in schemas]
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    rows = [[d.subject, d.type, d.outcome, "" if d.id is None else str(d.id)] for d in done]
    print_table(["subject", "type", "state", "id"], rows)


@app.command()
def infer(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to look at.")],
    records: Annotated[
        int, typer.Option("--records", "-n", min=1, max=100_000, help="How many to read.")
    ] = 200,
    config: OptionalConfigOption = None,
    servers: ServersOption = "",
    registry: RegistryOption = "",
) -> None:
    """Look at the newest records of a topic, and print an agent with the `fields:` for it.

    Each guess is marked with what it rests on. Values that a schema registry frames need --registry
    or a pipeline file that names it. Joins no consumer group and changes nothing.
    """
    from agents.commands.sample.newest import newest_records
    from agents.commands.schemas.infer import inferred_pipeline

    pipeline = optional_pipeline(config, servers)
    found = newest_records(kafka_settings(pipeline, servers), topic, records)
    url = registry or (pipeline.registry.url if pipeline and pipeline.registry else "")
    with framed_values(pipeline, registry) as framed:
        typer.echo(inferred_pipeline(topic, found, framed, url), nl=False)
