"""`penstock doctor`: look at everything a worker needs, and say how to mend what is wrong."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import EXIT_CODE
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import learning_agents


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many worker processes there are to be.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for each answer of the broker.")
    ] = 10.0,
    json: JsonOption = False,
) -> None:
    """Look at this machine and the broker, and say how to mend what is wrong.

    Looks at Python, packages, devices, and the broker with its topics, partitions, record sizes,
    permissions, retention and clock. Nothing is changed. The exit code is 2 if there is a problem.
    `penstock check` looks at the pipeline file and the models.
    """
    from agents.commands.doctor.broker import look_at_broker
    from agents.commands.doctor.machine import look_at_machine

    settings = load_pipeline(config, os.environ)
    findings = [
        *look_at_machine(settings, config.parent),
        *look_at_broker(settings, learning_agents(settings, config.parent), workers, timeout),
    ]
    has_problem = any(finding.state == "problem" for finding in findings)
    if json:
        typer.echo(msgspec.json.encode({"ok": not has_problem, "findings": findings}))
    else:
        columns = ["what", "state", "found", "mend"]
        print_table(columns, [[f.what, f.state, f.found, f.mend] for f in findings])
    if has_problem:
        raise typer.Exit(EXIT_CODE)
