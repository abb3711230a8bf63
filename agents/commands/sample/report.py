"""What `penstock check --sample` found in each input, and how it prints it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import typer

from agents.commands.sample.decoded import SampledRecord, decode_records
from agents.commands.sample.matching import Keys, unmatched
from agents.commands.sample.newest import newest_records
from agents.commands.terminal import print_table
from agents.errors import printable
from agents.pipeline.file import place_in_file
from agents.pipeline.parts import AgentParts
from agents.pipeline.schemas import make_client
from schemas.registry.framed import FramedValues
from streams.kafka.errors import BrokerError
from streams.kafka.reader import KafkaRecord
from streams.registry.errors import RegistryError
from streams.registry.supply import fetch
from streams.settings import AgentSettings, PipelineSettings

_SHOWN_EVENTS = 3
_SHOWN_CHARS = 200
_SHOWN_GROUPS = 20
#: What messages quote of a record, and its place: texts, numbers and bytes.
_QUOTED_VALUE = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\d\S*")


class SampledInput(msgspec.Struct):
    """What the newest records of one input would become."""

    agent: str
    topic: str
    records: list[SampledRecord] = []
    problems: list[str] = []
    """One line each, with the file, line and key that it is about."""

    def count(self, outcome: str) -> int:
        """Return how many records have an outcome."""
        return sum(record.outcome == outcome for record in self.records)


def sample_input(
    config: Path,
    settings: PipelineSettings,
    agent: str,
    topic: str,
    parts: AgentParts,
    count: int,
    timeout: float,
) -> SampledInput:
    """Read and decode the newest records of one input."""
    sampled = SampledInput(agent, topic)
    own = settings.agents[agent]
    try:
        records = newest_records(settings.kafka, topic, count, timeout)
    except BrokerError as error:
        sampled.problems.append(str(error))
        return sampled
    if parts.framed is not None:
        try:
            _fetch_schemas(settings, parts.framed, records)
        except RegistryError as error:
            sampled.problems.append(str(error))
            return sampled
    sampled.records = decode_records(own, parts, records)
    found = [*unmatched(own, parts, records), *_nothing_read(own, sampled)]
    for keys, message in found:
        place = place_in_file(config, ("agents", agent, *keys))
        sampled.problems.append(f"{place}: {message}")
    return sampled


def _fetch_schemas(
    settings: PipelineSettings, codec: FramedValues, records: Sequence[KafkaRecord]
) -> None:
    """Fetch the schemas that sampled records need."""
    keys = codec.missing([r.value for r in records], [r.headers for r in records])
    with make_client(settings.registry) as client:
        fetch(client, codec, keys)


def _nothing_read(settings: AgentSettings, sampled: SampledInput) -> Iterator[tuple[Keys, str]]:
    """Yield a problem if every record of a sample would be a dead letter."""
    if sampled.records and sampled.count("dead_letter") == len(sampled.records):
        key = "fields" if settings.fields else "codec" if settings.codec != "json" else "input"
        first = sampled.records[0]
        yield (
            (key,),
            (
                f"each of the {len(sampled.records)} sampled records of {sampled.topic} would be a "
                f"dead letter, the first for {first.reason}: {first.message}"
            ),
        )
    if waiting := [record for record in sampled.records if record.outcome == "waiting"]:
        yield ("fields",), f"{len(waiting)} sampled records would wait: {waiting[0].message}"


def print_samples(samples: Sequence[SampledInput]) -> None:
    """Print each input's sample: events beside their values, then what is refused, and why."""
    for sampled in samples:
        counts = ", ".join(
            f"{sampled.count(outcome)} {words}"
            for outcome, words in (
                ("events", "with events"), ("filtered", "filtered"), ("dead_letter", "dead letters")
            )
        )  # fmt: skip
        typer.echo(f"\n{sampled.topic} ({sampled.agent}): {len(sampled.records)} records: {counts}")
        rows = [
            [_place(record), _cut(record.raw), _cut(_events_text(record))]
            for record in [r for r in sampled.records if r.outcome == "events"][-_SHOWN_EVENTS:]
        ]
        if rows:
            print_table(["record", "value", "event"], rows)
        groups = _groups(sampled.records)
        for group in groups[:_SHOWN_GROUPS]:
            words, first = group[0]
            example = f"{_place(first)}: {_cut(first.raw)}"
            typer.echo(f"  {len(group)} x {printable(words)}, e.g. {example}")
        if rest := groups[_SHOWN_GROUPS:]:
            num_records = sum(map(len, rest))
            typer.echo(f"  and {len(rest)} other messages ({num_records} records): see --json")


def _place(record: SampledRecord) -> str:
    return f"{record.partition}@{record.offset}"


def _cut(text: str) -> str:
    """Return text from outside as one short line without control characters."""
    text = " ".join(text[: 10 * _SHOWN_CHARS].split())
    return printable(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")


def _events_text(record: SampledRecord) -> str:
    first = json.dumps(record.events[0], ensure_ascii=False) if record.events else ""
    more = len(record.events) - 1
    return f"{first} and {more} more" if more > 0 else first


def _groups(records: Sequence[SampledRecord]) -> list[list[tuple[str, SampledRecord]]]:
    """Return the records that are refused, filtered or odd, with what is; large groups first.

    Messages that differ only in what they quote of the record are in one group.
    """
    groups: dict[str, list[tuple[str, SampledRecord]]] = {}
    for record in records:
        for words in _remarks(record):
            groups.setdefault(_QUOTED_VALUE.sub("...", words), []).append((words, record))
    return sorted(groups.values(), key=len, reverse=True)


def _remarks(record: SampledRecord) -> Iterator[str]:
    if record.outcome == "filtered":
        yield f"filtered ({record.reason})"
    if record.outcome == "waiting":
        yield f"waiting: {record.message}"
    if record.outcome == "dead_letter":
        yield f"dead letter ({record.reason}): {record.message}"
    if record.implausible:
        yield f"implausible: {record.implausible.partition(': ')[2]}"
