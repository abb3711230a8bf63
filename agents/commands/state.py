"""`penstock state list|show|reset`: what online models have learned, as it is stored."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError
from agents.pipeline.file import load_pipeline

if TYPE_CHECKING:
    from agents.commands.stored_states import StoredState
    from streams.settings import PipelineSettings
    from streams.state.snapshot import StateKey, StateStore

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, show or reset the stored state of online models.",
)

AgentArgument = Annotated[str, typer.Argument(help="An agent of the pipeline file.")]
PartitionOption = Annotated[
    int | None, typer.Option("--partition", min=0, help="Only this partition of its input.")
]


@app.command("list")
def list_command(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List the latest snapshot of each partition: what it covers, and how much a start re-reads."""
    settings = load_pipeline(config, os.environ)
    with _opened(settings, config, None, None) as (store, keys):
        _print(_stored(settings, store, keys, latest_only=True), json)


@app.command("show")
def show_command(
    agent: AgentArgument,
    partition: PartitionOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Show every snapshot that is kept of an agent's model: the latest, and the one before."""
    settings = load_pipeline(config, os.environ)
    with _opened(settings, config, agent, partition) as (store, keys):
        _print(_stored(settings, store, keys, latest_only=False), json)


@app.command("reset")
def reset_command(
    agent: AgentArgument,
    partition: PartitionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Forget what an agent's model has learned: it starts afresh with the next worker."""
    settings = load_pipeline(config, os.environ)
    with _opened(settings, config, agent, partition) as (store, keys):
        _refuse_if_running(settings)
        if not yes:
            what = f"{agent}, {len(keys)} partitions: what its model has learned"
            typer.confirm(f"{what} will be gone. Go on?", abort=True)
        num_deleted = sum(store.delete(key) for key in keys)
    typer.echo(f"{num_deleted} snapshots deleted")


@contextmanager
def _opened(
    settings: PipelineSettings, config: Path, agent: str | None, partition: int | None
) -> Iterator[tuple[StateStore, list[StateKey]]]:
    """Find the store and the partitions that are asked for; what it raises is told in a line."""
    from agents.commands.stored_states import partitions_of
    from agents.pipeline.topics import learning_agents, make_store
    from streams.kafka.admin import probe
    from streams.state.snapshot import StateError

    learning = learning_agents(settings, config.parent)
    if agent is not None and agent not in learning:
        known = ", ".join(learning) or "none"
        raise UserError(f"{config}: no agent {agent} with an online model: there is {known}")
    store = make_store(settings)
    if store is None:
        raise UserError(f"{config}: state.store is none: nothing is stored")
    try:
        existing = dict(probe(settings.kafka).topics)
        keys = partitions_of(settings, learning if agent is None else [agent], existing)
        yield store, [k for k in keys if partition is None or k.partition == partition]
    except StateError as error:
        raise UserError(str(error)) from error
    finally:
        store.close()


def _stored(
    settings: PipelineSettings, store: StateStore, keys: list[StateKey], latest_only: bool
) -> list[StoredState]:
    from agents.commands.stored_states import stored_states
    from agents.commands.topic_reader import TopicReader

    with TopicReader(settings.kafka, settings.group) as reader:
        return list(stored_states(store, keys, reader, latest_only))


def _refuse_if_running(settings: PipelineSettings) -> None:
    from streams.kafka.admin import num_members

    count = num_members(settings.kafka, settings.group)
    if count:
        raise UserError(
            f"{count} workers of group {settings.group} run: stop them first, or what they store "
            "next undoes it"
        )


def _print(found: list[StoredState], as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode([{**msgspec.to_builtins(s), "to_replay": s.to_replay}
                                        for s in found]))  # fmt: skip
        return
    columns = ["agent", "partition", "covers", "committed", "to replay", "age", "bytes", "model",
               "state"]  # fmt: skip
    print_table(columns, [_row(state) for state in found])


def _row(state: StoredState) -> list[str]:
    age = max(time.time() - state.saved_at_ms / 1000, 0.0)
    return [
        state.agent,
        f"{state.topic}:{state.partition}",
        str(state.covers) if state.covers >= 0 else "?",
        str(state.committed) if state.committed >= 0 else "none",
        str(state.to_replay),
        f"{age:.0f} s" if state.saved_at_ms else "?",
        f"{state.num_bytes:,}",
        f"{state.model} {state.model_version}".strip(),
        state.problem or "ok",
    ]
