"""What `penstock check --sample` found in each input, and how it prints it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import typer

from agents.commands.sample.decoded import SampledRecord, decode_records
from agents.commands.sample.matching import Keys, unmatched
from agents.commands.sample.newest import newest_records
from agents.commands.terminal import print_table
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
        for words, group in _groups(sampled.records).items():
            typer.echo(f"  {len(group)} x {words}, e.g. {_place(group[0])}: {_cut(group[0].raw)}")


def _place(record: SampledRecord) -> str:
    return f"{record.partition}@{record.offset}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."


def _events_text(record: SampledRecord) -> str:
    first = json.dumps(record.events[0], ensure_ascii=False) if record.events else ""
    more = len(record.events) - 1
    return f"{first} and {more} more" if more > 0 else first


def _groups(records: Sequence[SampledRecord]) -> dict[str, list[SampledRecord]]:
    """Return the records that are refused, filtered or odd, by what is; the frequent first."""
    groups: dict[str, list[SampledRecord]] = {}
    for record in records:
        if record.outcome == "filtered":
            groups.setdefault(f"filtered ({record.reason})", []).append(record)
        if record.outcome == "dead_letter":
            words = f"dead letter ({record.reason}): {record.message}"
            groups.setdefault(words, []).append(record)
        if record.implausible:
            words = record.implausible.partition(": ")[2]
            groups.setdefault(f"implausible: {words}", []).append(record)
    sizes = Counter({words: len(group) for words, group in groups.items()})
    return {words: groups[words] for words, _ in sizes.most_common(20)}
