"""Everything about a pipeline as one frozen, typed object, made once and passed down.

The pipeline file (`penstock.yaml`) has exactly this shape; `agents/pipeline/file.py` reads it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,200}$"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Bound = Annotated[int, Meta(ge=1)]
DeadLetterPayload = Literal["full", "none"]


EXACTLY_ONCE = "exactly_once"


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen, and a misspelt key is an error rather than a default."""


class ModelSettings(_Settings, frozen=True, kw_only=True):
    """Which model answers, and with what options."""

    name: str
    """A registered name, `package.module:Class`, `./file.py:Class`, an ONNX file or a folder."""
    options: dict[str, Any] = {}
    """The keyword arguments of the model's `__init__`."""


class BatchSettings(_Settings, frozen=True, kw_only=True):
    """When a micro-batch leaves: full, or its oldest event has waited long enough."""

    max_batch_size: Annotated[int, Meta(ge=1, le=100_000)] = 32
    """Events."""
    max_wait_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.05
    """Cap on the age of the oldest event, counted from its arrival, on a monotonic clock."""
    buckets: list[Bound] = []
    """Upper bounds of what the model's `measure_batch` says of an event, ascending: only events of
    one bucket share a batch. What is above the last bound shares a bucket of its own."""
    max_batch_weight: Annotated[int, Meta(ge=1)] | None = None
    """Of a batch: its number of events times the largest measure in it; null: not limited."""

    @property
    def measures(self) -> bool:
        """Whether the model must tell each event's size."""
        return bool(self.buckets) or self.max_batch_weight is not None


class IntakeSettings(_Settings, frozen=True, kw_only=True):
    """How much of one partition may be under way in a worker; more pauses that partition."""

    max_records: Annotated[int, Meta(ge=1)] = 10_000
    """Records."""
    max_bytes: Annotated[int, Meta(ge=1)] = 64 * 1024 * 1024
    """Bytes of keys and values."""


class LimitSettings(_Settings, frozen=True, kw_only=True):
    """What one record may be beside `max_record_bytes`; beyond it is a dead letter (`too_large`).

    Looked at before anything is decoded.
    """

    max_key_bytes: Annotated[int, Meta(ge=1)] = 4096
    """Of a record's key."""
    max_headers: Annotated[int, Meta(ge=0)] = 100
    """Headers of a record."""
    max_header_bytes: Annotated[int, Meta(ge=0)] = 65_536
    """Names and values of all headers, of a record whose headers are read."""
    max_depth: Annotated[int, Meta(ge=1, le=500)] = 64
    """Lists and maps within each other, in fields that may hold any."""
    max_items: Annotated[int, Meta(ge=1)] = 100_000
    """Of all lists and maps of a value together."""
    max_string_bytes: Annotated[int, Meta(ge=1)] = 10_000_000
    """Of one text or binary field, as it is written (base64 in JSON)."""


class AgentSettings(_Settings, frozen=True, kw_only=True):
    """One agent: input topics -> micro-batches -> model -> output topic."""

    # Not `Name | ...`: msgspec 0.22 crashes on a union of a text with a pattern and a list. That a
    # single topic's name is one is checked where the file is read.
    input: str | Annotated[list[Name], Meta(min_length=1)]
    """Topic of events, or several in order of priority; `inputs` is either as a list."""
    output: Name
    """Topic of results."""
    model: str | ModelSettings
    event: str = ""
    """A registered event type, `package.module:Class` or `./file.py:Class`; "": the model's own."""
    codec: str = "json"
    """Of the input: `json`, `msgpack` or `image`."""
    output_codec: Literal["json", "msgpack"] = "json"
    updates: Name | None = None
    """Topic of the model's global updates (moving centres), if it makes any."""
    dead_letters: Name | None = None
    """Topic of dead letters; null: each input's `<input>.dlq`."""
    dead_letter_payload: DeadLetterPayload = "full"
    """`full`: the original's key, value and headers, and messages that may quote them; `none`:
    only which record it was and the kind of reason, for input that must not be copied."""
    overload: Literal["process_all", "latest"] = "process_all"
    """When the model can't keep up: hold back the intake, or give up what is too old."""
    deadline_seconds: Annotated[float, Meta(gt=0)] | None = None
    """With `latest`: the age from which an event is given up rather than answered."""
    expired: Literal["filter", "dead_letter"] = "filter"
    """With `latest`: what becomes of an event that is given up."""
    batch: BatchSettings = BatchSettings()
    intake: IntakeSettings = IntakeSettings()
    concurrency: Annotated[int, Meta(ge=1, le=64)] = 1
    """Copies of a stateless model, each with a thread of its own; an online model has one."""
    device: Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    """`auto` takes the first CUDA device that torch sees, if the model can use one."""
    max_record_bytes: Annotated[int, Meta(ge=1)] = 1_000_000
    """A larger value becomes a dead letter before it is decoded."""
    predict_timeout_seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    """A model call that takes longer hangs: its process is replaced, or the worker ends."""
    isolation: Literal["thread", "process"] = "thread"
    """Where the model runs: on a thread of the worker, or in a process of its own."""
    limits: LimitSettings = LimitSettings()
    answers: Literal["always", "sometimes"] = "always"
    """Whether the model answers every event: `penstock audit` takes a record without output for
    lost unless this says `sometimes`, since an answer of None leaves no trace."""

    @property
    def inputs(self) -> list[str]:
        """Every topic that this agent reads, in order of priority."""
        return [self.input] if isinstance(self.input, str) else self.input

    def dead_letter_topic(self, topic: str) -> str:
        """Return where the dead letters of one of its inputs go."""
        return self.dead_letters or f"{topic}.dlq"

    @property
    def dead_letter_topics(self) -> list[str]:
        """Every topic that this agent's dead letters go to, in the order of its inputs."""
        return list(dict.fromkeys(map(self.dead_letter_topic, self.inputs)))

    @property
    def may_be_silent(self) -> bool:
        """Whether a record may be finished and leave no trace on any topic."""
        return self.answers == "sometimes" or (
            self.overload == "latest" and self.expired == "filter"
        )

    @property
    def model_name(self) -> str:
        """What the file calls the model."""
        return self.model if isinstance(self.model, str) else self.model.name

    @property
    def model_options(self) -> dict[str, Any]:
        """The keyword arguments of the model's `__init__`."""
        return {} if isinstance(self.model, str) else self.model.options

    @property
    def output_topics(self) -> list[str]:
        """Every topic that this agent writes."""
        updates = [self.updates] if self.updates else []
        return [self.output, *updates, *self.dead_letter_topics]


class StateSettings(_Settings, frozen=True, kw_only=True):
    """Where the state of online models is kept, with the offsets that it covers."""

    store: str = "topic"
    """`topic` (a compacted topic for each agent), a folder or URL for fsspec, or `none`."""
    interval_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """A crash makes the next worker learn again from the records of about this long."""
    on_mismatch: Literal["stop", "fresh"] = "stop"
    """When there are snapshots and none fits: end the worker, or let the model start afresh."""


class MetricsSettings(_Settings, frozen=True, kw_only=True):
    """Where Prometheus finds `/metrics`."""

    host: str = "127.0.0.1"
    port: Port = 9464
    """0 takes a free port and logs it."""


class TopicSettings(_Settings, frozen=True, kw_only=True):
    """How `penstock topics create` makes a topic that is absent."""

    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 4
    replication_factor: Annotated[int, Meta(ge=-1, le=32)] = -1
    """-1: the cluster's `default.replication.factor`."""
    config: dict[str, str] = {}
    """Kafka topic settings by their own names, e.g. `retention.ms`."""


class PipelineSettings(_Settings, frozen=True, kw_only=True):
    """A whole pipeline file."""

    kafka: dict[str, str | int | float | bool] = {}
    """Kafka client settings by their own names: `bootstrap.servers`, `group.id`,
    `security.protocol`, `sasl.mechanism`, `ssl.ca.location`, `compression.type` ..."""
    agents: Annotated[dict[Name, AgentSettings], Meta(min_length=1)]
    metrics: MetricsSettings = MetricsSettings()
    state: StateSettings = StateSettings()
    topics: dict[str, TopicSettings] = {}
    """By topic name; `default` holds for the others."""
    guarantee: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """Of results, dead letters and updates: `exactly_once` commits them with their offsets."""
    commit_interval_seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0
    shutdown_timeout_seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    """How long SIGTERM waits for what is under way."""
    liveness_timeout_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    """After how long with work and without progress `/live` turns false."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return str(self.kafka.get("group.id", "penstock"))

    def state_topic(self, agent: str) -> str:
        """Return where snapshots of an agent's online model go, if `state.store` is `topic`."""
        return f"{self.group}.{agent}.state"
