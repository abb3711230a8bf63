"""`penstock state list|show|reset|rekey`: the stored snapshots of online models."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.rekey.command import rekey_command
from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError
from agents.pipeline.file import load_pipeline

if TYPE_CHECKING:
    from streams.kafka.reader import TopicReader
    from streams.settings import PipelineSettings
    from streams.state.snapshot import StateKey, StateStore

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, show, reset or rekey the stored state of online models.",
)
app.command("rekey")(rekey_command)

AgentArgument = Annotated[str, typer.Argument(help="An agent of the pipeline file.")]
PartitionOption = Annotated[
    int | None, typer.Option("--partition", min=0, help="Only this partition of its input.")
]


class StoredState(msgspec.Struct, frozen=True, kw_only=True):
    """One stored snapshot, compared with the group's committed offset."""

    agent: str
    topic: str
    partition: int
    sequence: int = -1
    covers: int = -1
    """The offset up to which the model has learned, exclusive; -1: the snapshot is damaged."""
    committed: int
    """The group's committed offset; -1: none."""
    model: str = ""
    model_version: str = ""
    learn_every: int = 0
    saved_at_ms: int = 0
    num_bytes: int
    """As it is stored: compressed."""
    is_changes: bool = False
    """Whether it contains only what has changed since the one before."""
    problem: str = ""

    @property
    def catch_up(self) -> int:
        """Number of offsets that a worker would read again to learn from, if it started now."""
        return max(self.committed - self.covers, 0) if self.covers >= 0 else 0


@app.command("list")
def list_command(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List the latest snapshot of each partition.

    The table shows up to which offset each snapshot covers its input, and how many records a
    starting worker would read again to catch up.
    """
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
    """Show all stored snapshots of an agent's model, the latest first.

    The store keeps the latest whole snapshot of each partition and the one before, each with the
    changes that follow it.
    """
    settings = load_pipeline(config, os.environ)
    with _opened(settings, config, agent, partition) as (store, keys):
        _print(_stored(settings, store, keys, latest_only=False), json)


@app.command("reset")
def reset_command(
    agent: AgentArgument,
    partition: PartitionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Delete what an agent's model has learned.

    The next worker starts the model from nothing. Stop the group's workers first.
    """
    settings = load_pipeline(config, os.environ)
    with _opened(settings, config, agent, partition) as (store, keys):
        _refuse_if_running(settings)
        if not yes:
            typer.confirm(
                f"delete what the model of {agent} has learned on {len(keys)} partitions?",
                abort=True,
            )
        num_deleted = sum(_reset(store, key) for key in keys)
    typer.echo(f"{num_deleted} snapshots deleted")


def _reset(store: StateStore, key: StateKey) -> int:
    """Delete a partition's snapshots; leave a blank one, or the next worker would miss them."""
    from streams.state.snapshot import blank_snapshot, encode_snapshot

    num_deleted = store.delete(key)
    blank = blank_snapshot(key)
    store.save(key, blank.sequence, encode_snapshot(blank))
    return num_deleted


@contextmanager
def _opened(
    settings: PipelineSettings, config: Path, agent: str | None, partition: int | None
) -> Iterator[tuple[StateStore, list[StateKey]]]:
    """Open the store; yield it with the selected partitions. State errors become UserErrors."""
    from agents.pipeline.topics import learning_agents, make_store
    from streams.kafka.admin import probe
    from streams.state.snapshot import StateError

    learning = learning_agents(settings, config.parent)
    if agent is not None and agent not in learning:
        names = ", ".join(learning) or "none"
        raise UserError(f"{config}: no agent {agent} with an online model: expected one of {names}")
    store = make_store(settings)
    if store is None:
        raise UserError(f"{config}: state.store is none: no snapshots are stored")
    try:
        existing = dict(probe(settings.kafka).topics)
        keys = state_keys(settings, learning if agent is None else [agent], existing)
        yield store, [k for k in keys if partition is None or k.partition == partition]
    except StateError as error:
        raise UserError(str(error)) from error
    finally:
        store.close()


def state_keys(
    settings: PipelineSettings, agents: Sequence[str], existing: dict[str, int]
) -> list[StateKey]:
    """Return every partition for which these agents' models may have a snapshot.

    Args:
        settings: of the pipeline.
        agents: with online models.
        existing: the broker's topics, and how many partitions each has.
    """
    from streams.state.snapshot import StateKey

    return [
        StateKey(agent, topic, partition)
        for agent in agents
        for topic in settings.agents[agent].inputs
        for partition in range(existing.get(topic, 0))
    ]


def _stored(
    settings: PipelineSettings, store: StateStore, keys: list[StateKey], latest_only: bool
) -> list[StoredState]:
    from streams.kafka.reader import TopicReader

    with TopicReader(settings.kafka, settings.group) as reader:
        return list(stored_states(store, keys, reader, latest_only))


def stored_states(
    store: StateStore, keys: Sequence[StateKey], reader: TopicReader, latest_only: bool
) -> Iterator[StoredState]:
    """Yield the stored snapshots of each partition, the latest first.

    Raises:
        StateStoreError: the store can't be read.
        BrokerError: the broker does not return the committed offsets.
    """
    committed: dict[str, list[int]] = {}
    for topic in {key.topic for key in keys}:
        num_partitions = 1 + max(key.partition for key in keys if key.topic == topic)
        committed[topic] = reader.committed(topic, num_partitions)
    for key in keys:
        for encoded in store.saved(key):
            state = _stored_state(key, encoded, committed[key.topic][key.partition])
            if state is not None:
                yield state
            if latest_only:
                break


def _stored_state(key: StateKey, encoded: bytes, committed: int) -> StoredState | None:
    """Return a snapshot as shown; None for a blank one, which says that the state was reset."""
    from streams.state.snapshot import StateMismatchError, decode_snapshot

    try:
        snapshot = decode_snapshot(encoded)
    except StateMismatchError as error:
        return StoredState(
            **key._asdict(), committed=committed, num_bytes=len(encoded), problem=str(error)
        )
    if snapshot.is_blank:
        return None
    return StoredState(
        **key._asdict(),
        sequence=snapshot.sequence,
        covers=snapshot.next_offset,
        committed=committed,
        model=snapshot.model,
        model_version=snapshot.model_version,
        learn_every=snapshot.learn_every,
        saved_at_ms=snapshot.saved_at_ms,
        num_bytes=len(encoded),
        is_changes=snapshot.is_changes,
    )


def _refuse_if_running(settings: PipelineSettings) -> None:
    from streams.kafka.admin import num_members

    count = num_members(settings.kafka, settings.group)
    if count:
        raise UserError(
            f"{count} workers of group {settings.group} are running: stop them first, because "
            "they would store their state again"
        )


def _print(states: list[StoredState], as_json: bool) -> None:
    if as_json:
        documents = [{**msgspec.to_builtins(s), "catch_up": s.catch_up} for s in states]
        typer.echo(msgspec.json.encode(documents))
        return
    columns = ["agent", "partition", "covers", "committed", "catch-up", "age", "bytes", "kind",
               "model", "state"]  # fmt: skip
    print_table(columns, [_row(state) for state in states])


def _row(state: StoredState) -> list[str]:
    age = max(time.time() - state.saved_at_ms / 1000, 0.0)
    return [
        state.agent,
        f"{state.topic}:{state.partition}",
        str(state.covers) if state.covers >= 0 else "?",
        str(state.committed) if state.committed >= 0 else "none",
        str(state.catch_up),
        f"{age:.0f} s" if state.saved_at_ms else "?",
        f"{state.num_bytes:,}",
        "changes" if state.is_changes else "whole",
        f"{state.model} {state.model_version}".strip(),
        state.problem or "ok",
    ]
