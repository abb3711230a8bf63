"""`penstock schemas infer`: look at a topic, and write the `fields:` of an agent for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from agents.commands.framed_values import AnyFramedValues, is_framed
from agents.errors import UserError
from agents.pipeline.yaml_lines import read_scalar
from schemas import InputError
from schemas.mapping.infer import Guesses, infer
from schemas.values import VALUE_CODECS
from streams.kafka.reader import KafkaRecord

#: What needs no quotes anywhere in YAML.
_PLAIN = re.compile(r"[A-Za-z_$][\w.$-]*")
#: Event type -> a shipped agent for it, which inherits model and batch.
_AGENTS = {
    "SensorReading": "score_anomalies",
    "BehaviorEvent": "cluster_behavior",
    "TextMessage": "understand_text",
    "VideoFrame": "detect_objects",
    "Interaction": "recommend_items",
}


def inferred_pipeline(
    topic: str,
    records: Sequence[KafkaRecord],
    framed: AnyFramedValues | None = None,
    registry_url: str = "",
) -> str:
    """Return a pipeline file with one agent for the topic; its comments mark the guesses.

    Args:
        topic: that the records are of.
        records: a sample.
        framed: reads values that a schema registry frames; None: no registry is named.
        registry_url: of that registry.

    Raises:
        UserError: the sample is empty, or nothing in it can be read; names what it is.
        RegistryError: the registry does not answer, or refuses the login.
    """
    filled = [record for record in records if record.value]
    if not filled:
        raise UserError(f"{topic} has no records with a value: nothing to look at")
    num_framed = sum(is_framed(record.value, record.headers) for record in filled)
    if 2 * num_framed > len(filled):
        codec, values = _unframed(topic, filled, framed)
    else:
        codec, values, registry_url = *_decoded(topic, filled), ""
    if codec == "image":
        return "\n".join(_image_lines(topic, filled)) + "\n"
    guesses = infer(values)
    if guesses is None:
        raise UserError(f"{topic}: its values are {codec}, but no objects with names")
    return "\n".join(_lines(topic, codec, guesses, filled, registry_url)) + "\n"


def _unframed(
    topic: str, records: Sequence[KafkaRecord], framed: AnyFramedValues | None
) -> tuple[str, list[Any]]:
    """Return the codec of most framed values, and what it read."""
    if framed is None:
        raise UserError(
            f"{topic}: its values are framed by a schema registry: name it with --registry URL, or "
            "with -c FILE, a pipeline file that has `registry:`"
        )
    read: dict[str, list[Any]] = {}
    refusal = ""
    for record in records:
        value = record.value or b""
        try:
            codec = framed.codec_of(value, record.headers)
            read.setdefault(codec, []).append(framed.read(value, record.headers))
        except InputError as error:
            refusal = refusal or f"{record.partition}@{record.offset}: {error}"
    if not read:
        raise UserError(f"{topic}: none of its framed values can be read: {refusal}")
    return max(read.items(), key=lambda entry: len(entry[1]))


def _decoded(topic: str, records: Sequence[KafkaRecord]) -> tuple[str, list[Any]]:
    """Return the codec that reads most values, and what it read."""
    best: tuple[str, list[Any]] = "", []
    refusal = ""
    for name, codec in VALUE_CODECS.items():
        values = []
        for record in records:
            try:
                values.append(codec().read(record.value or b"", record.headers))
            except InputError as error:
                refusal = refusal or f"{record.partition}@{record.offset}: {error}"
        # A byte that is no JSON may be a MessagePack number: only objects decide.
        is_telling = name == "image" or any(map(_holds_objects, values))
        if is_telling and len(values) > len(best[1]):
            best = name, values
        if name == "json" and len(values) == len(records) and not is_telling:
            raise UserError(f"{topic}: its values are {name}, but no objects with names")
    if not best[0]:
        raise UserError(f"{topic}: no codec reads its values: {refusal}")
    return best


def _holds_objects(value: Any) -> bool:
    entries = value if isinstance(value, list) else [value]
    return any(isinstance(entry, dict) for entry in entries)


def _lines(
    topic: str, codec: str, guesses: Guesses, records: Sequence[KafkaRecord], registry_url: str
) -> Iterator[str]:
    agent = _AGENTS[guesses.event]
    yield from _head(topic, agent, len(records), guesses.event, registry_url)
    if codec != "json" or guesses.event == "VideoFrame":  # whose agent inherits `codec: image`
        yield f"    codec: {codec}"
    if guesses.envelope != "none":
        yield f"    envelope: {guesses.envelope}   # guess: by the names in the values"
    yield "    fields:"
    for guess in guesses.fields:
        yield f"      {guess.key}: {_yaml(guess.value)}   # guess: {_comment(guess.why)}"
    keys = {record.key for record in records}
    if all(keys) and not all(_is_text(key) for key in keys):
        if all(len(key) in (4, 8) and key[0] == 0 for key in keys if key):
            yield "    key_format: integer   # guess: keys are 4 or 8 bytes, the first is 0"
        else:
            why = "keys are no text; `integer` if they are whole numbers"
            yield f"    key_format: hex   # guess: {why}"
    for note in guesses.notes:
        yield f"    # {_comment(note)}"


def _head(
    topic: str, agent: str, num_records: int, event: str, registry_url: str = ""
) -> Iterator[str]:
    yield f"# Guessed from the newest {num_records} records of {topic}: go through each guess, then"
    yield "# try it: penstock check -c FILE --sample 100"
    if registry_url:
        yield f"registry: {{url: {_yaml(registry_url)}}}"
    yield "agents:"
    yield f"  {agent}:   # guess: the values look like {event}"
    yield f"    input: {topic}"
    yield f"    output: {topic}.results"


def _image_lines(topic: str, records: Sequence[KafkaRecord]) -> Iterator[str]:
    yield from _head(topic, "detect_objects", len(records), "pictures")
    names = sorted({name for record in records for name, _ in record.headers})
    if names:
        yield f"    # headers: {_comment(', '.join(names))}: name them in `fields:`, as"
        yield "    # fields: {event_time: {path: $header.NAME, format: unix_ms}}"


def _yaml(value: Any) -> str:
    """Return a value in YAML's flow style; what is not plain is quoted as in JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(k)}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and read_scalar(value) == value:
        return value
    return msgspec.json.encode(value).decode()


def _comment(text: str) -> str:
    return " ".join(text.split())[:200]


def _is_text(key: bytes | None) -> bool:
    try:
        return (key or b"").decode().isprintable()
    except UnicodeDecodeError:
        return False
