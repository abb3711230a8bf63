"""The settings of a pipeline as frozen, typed objects, made once and passed down.

The pipeline file (`penstock.yaml`) has exactly this shape. `agents/pipeline/file.py` reads it and
checks every constraint given here; a settings object made in code is not checked. These are plain
dataclasses, so that an agent can be declared and the engine imported without pydantic, which
takes a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from streams.constraints import Bounds, Pattern

NAME = Pattern(r"[A-Za-z0-9._-]{1,200}", "1 to 200 letters, digits, '.', '_' or '-'")
Name = Annotated[str, NAME]
TOPIC = Pattern(
    NAME.regex,
    f"one topic, {NAME.meaning}, or a list of topics (patterns such as sensor.* are not supported)",
)
Topic = Annotated[str, TOPIC]
Device = Annotated[str, Pattern(r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:N")]
DeadLetterPayload = Literal["full", "none"]

EXACTLY_ONCE = "exactly_once"
#: Codecs whose schemas are in a schema registry.
REGISTRY_CODECS = ("avro", "protobuf", "json_schema")


class _Settings:
    """Refuse unknown keys, so that a misspelled key is an error rather than a default."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic's own name


@dataclass(frozen=True, kw_only=True)
class ModelSettings(_Settings):
    """Which model answers, and with what options."""

    name: str
    """A registered name, `package.module:Class`, `./file.py:Class`, an ONNX file or a folder."""
    options: dict[str, Any] = field(default_factory=dict)
    """The keyword arguments of the model's `__init__`."""


@dataclass(frozen=True, kw_only=True)
class BatchSettings(_Settings):
    """When a micro-batch leaves a busy model's queue; an idle model takes at once what is there."""

    max_batch_size: Annotated[int, Bounds(ge=1, le=100_000)] = 32
    """Events in a batch, at most."""
    max_wait_seconds: Annotated[float, Bounds(ge=0, le=60)] = 0.05
    """Longest wait of the oldest event while the model is busy, counted from its arrival."""


@dataclass(frozen=True, kw_only=True)
class IntakeSettings(_Settings):
    """How much of one partition a worker holds unfinished; above it the partition is paused."""

    max_records: Annotated[int, Bounds(ge=1)] = 10_000
    """Records."""
    max_bytes: Annotated[int, Bounds(ge=1)] = 64 * 1024 * 1024
    """Bytes of keys, values and headers."""


@dataclass(frozen=True, kw_only=True)
class LimitSettings(_Settings):
    """Limits of one record beside `max_record_bytes`; above one it is a dead letter (`too_large`).

    Checked before a value is decoded.
    """

    max_key_bytes: Annotated[int, Bounds(ge=1)] = 4096
    """Bytes of a record's key, which each of its results carries too."""
    max_header_bytes: Annotated[int, Bounds(ge=0)] = 65_536
    """Bytes of the names and values of all headers, of a record whose headers are read."""
    max_depth: Annotated[int, Bounds(ge=1, le=500)] = 64
    """Levels of lists and maps within each other, in fields that may hold any."""


@dataclass(frozen=True, kw_only=True)
class EventTimeSettings(_Settings):
    """What to do with event times that can't be right, such as seconds taken for milliseconds."""

    implausible: Literal["accept", "use_record_time", "dead_letter"] = "accept"
    """For a time before 2000, or over a day after the record's own timestamp: keep it, replace it
    by the record's timestamp, or refuse the record. Each is counted and logged once."""


@dataclass(frozen=True, kw_only=True)
class AgentSettings(_Settings):
    """One agent: input topics -> micro-batches -> model -> output topic."""

    input: Topic | Annotated[list[Topic], Bounds(min_length=1)]
    """Topic of events, or several in order of priority; `inputs` is either as a list."""
    output: Name
    """Topic of results."""
    model: str | ModelSettings
    """A model's name, or its name and options; `model_name` and `model_options` read either."""
    event: str = ""
    """A registered event type, `package.module:Class` or `./file.py:Class`; "": the model's."""
    codec: str = "json"
    """How input is written: `json`, `msgpack`, `image` or `audio`; with a schema registry `avro`,
    `protobuf` or `json_schema`."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Where each field of the event is in other people's values; empty: they have its names."""
    where: str = ""
    """Which records are answered: comparisons of paths; "": all."""
    envelope: Literal["none", "cloudevents", "connect"] = "none"
    """What is around each value: a structured CloudEvent or Kafka Connect's schema and payload."""
    key_format: Literal["text", "hex", "integer"] = "text"
    """How a record's key is written where it names the source."""
    output_codec: Literal["json", "msgpack", "audio", "avro", "protobuf", "json_schema"] = "json"
    """How results and updates are written; `audio` for results that are sound; `avro`, `protobuf`
    and `json_schema` with a schema registry."""
    route: Literal["partition", "answer", "key", "every_partition"] = "partition"
    """The partition of each result: the one of its input; or, for side records that go to the
    input of another agent, that of the event whose `answer` the result names, that of its key by
    Kafka's default partitioner, or all of them."""
    updates: Name | None = None
    """Topic of the model's global updates (moving cluster centers), if it makes any."""
    dead_letters: Name | None = None
    """Topic of dead letters; null: each input's `<input>.dlq`."""
    dead_letter_payload: DeadLetterPayload = "full"
    """`full`: the original's key, value and headers, and messages that may quote them; `none`:
    only which record it was and the kind of reason, for input that must not be copied."""
    dead_letter_codec: Literal["original", "avro", "protobuf", "json_schema"] = "original"
    """How the values of dead letters are written: `original` as they came; the others as a record
    with the reason and the original's value, with a schema registry."""
    overload: Literal["process_all", "latest"] = "process_all"
    """When the model can't keep up: let records wait, or drop those that are too old."""
    deadline_seconds: Annotated[float, Bounds(gt=0)] | None = None
    """With `latest`: the age above which an event is dropped rather than answered."""
    expired: Literal["filter", "dead_letter"] = "filter"
    """With `latest`: whether an event that is dropped is only counted, or a dead letter."""
    event_time: EventTimeSettings = EventTimeSettings()
    batch: BatchSettings = BatchSettings()
    intake: IntakeSettings = IntakeSettings()
    concurrency: Annotated[int, Bounds(ge=1, le=64)] = 1
    """Copies of a stateless model, each on its own thread; an online model has one."""
    device: Device = "auto"
    """`auto`: the first CUDA device where there is one and the model can use it, else the CPU."""
    max_record_bytes: Annotated[int, Bounds(ge=1)] = 1_000_000
    """A larger value becomes a dead letter before it is decoded."""
    event_age_budget_seconds: Annotated[float, Bounds(gt=0, le=86_400)] | None = None
    """The age, from Kafka's timestamp, within which records are to be answered: what the service
    level counts as good. None: the agent has no service level."""
    predict_timeout_seconds: Annotated[float, Bounds(gt=0, le=86_400)] | None = None
    """A model call that takes longer hangs: its process is replaced, or the worker ends."""
    isolation: Literal["thread", "process"] = "thread"
    """Where the model runs: on a thread of the worker, or in a separate process."""
    limits: LimitSettings = LimitSettings()
    answers: Literal["always", "sometimes"] = "always"
    """Whether the model answers every event: `penstock audit` reports a record without output as
    lost unless this is `sometimes`, since an answer of None leaves no trace."""

    @property
    def inputs(self) -> list[str]:
        """Every topic that this agent reads, in order of priority."""
        return [self.input] if isinstance(self.input, str) else self.input

    def dead_letter_topic(self, topic: str) -> str:
        """Return where the dead letters of one of the agent's inputs go."""
        return self.dead_letters or f"{topic}.dlq"

    @property
    def dead_letter_topics(self) -> list[str]:
        """Every topic that this agent's dead letters go to, in the order of its inputs."""
        return list(dict.fromkeys(map(self.dead_letter_topic, self.inputs)))

    @property
    def may_be_silent(self) -> bool:
        """Whether a record may be finished and leave no trace on any topic."""
        is_dropping = self.overload == "latest" and self.expired == "filter"
        return self.answers == "sometimes" or is_dropping or self.may_filter

    @property
    def is_mapped(self) -> bool:
        """Whether input values are not events as they stand."""
        is_plain = self.envelope == "none" and not self.has_schemas
        return bool(self.fields or self.where) or not is_plain

    @property
    def has_schemas(self) -> bool:
        """Whether the schemas of input values are in a registry."""
        return self.codec in REGISTRY_CODECS

    @property
    def writes_schemas(self) -> bool:
        """Whether the schemas of results are in a registry."""
        return self.output_codec in REGISTRY_CODECS

    @property
    def frames_dead_letters(self) -> bool:
        """Whether the schemas of dead letters are in a registry."""
        return self.dead_letter_codec in REGISTRY_CODECS

    @property
    def needs_registry(self) -> bool:
        """Whether the agent reads or writes with a schema registry."""
        return self.has_schemas or self.writes_schemas or self.frames_dead_letters

    @property
    def may_filter(self) -> bool:
        """Whether a record may need no answer: the filter drops it, or it has no readings."""
        return bool(self.where) or "each" in self.fields or self.envelope != "none"

    @property
    def model_name(self) -> str:
        """The name that the file gives the model."""
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


@dataclass(frozen=True, kw_only=True)
class StateSettings(_Settings):
    """Where the state of online models is stored, with the offsets that it covers."""

    store: str = "topic"
    """`topic` (a compacted topic for each agent), a folder or URL for fsspec, or `none`."""
    interval_seconds: Annotated[float, Bounds(gt=0, le=86_400)] = 30.0
    """After a crash the next worker learns again from the records of about this long."""
    on_mismatch: Literal["stop", "fresh"] = "stop"
    """When there are snapshots and none fits: end the worker, or start with a fresh model."""


@dataclass(frozen=True, kw_only=True)
class MetricsSettings(_Settings):
    """Where Prometheus finds `/metrics`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Bounds(ge=0, le=65_535)] = 9464
    """0 takes a free port and logs it."""


@dataclass(frozen=True, kw_only=True)
class TopicSettings(_Settings):
    """How `penstock topics create` makes a topic that is absent."""

    partitions: Annotated[int, Bounds(ge=1, le=10_000)] = 4
    replication_factor: Annotated[int, Bounds(ge=-1, le=32)] = -1
    """-1: the cluster's `default.replication.factor`."""
    config: dict[str, str] = field(default_factory=dict)
    """Kafka topic settings by their Kafka names, e.g. `retention.ms`."""


@dataclass(frozen=True, kw_only=True)
class RegistrySettings(_Settings):
    """A schema registry that speaks Confluent's API."""

    url: str
    """`http://` or `https://`, with the path where the API starts."""
    username: str = ""
    """With `password`: basic authentication."""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """A bearer token, in place of user and password."""
    ca_file: str = ""
    """PEM certificates of the authorities to trust; "": the system's."""
    certificate_file: str = ""
    """This client's PEM certificate, where the registry asks for one."""
    key_file: str = ""
    """Its key; "": in `certificate_file`."""
    key_password: str = field(default="", repr=False)
    timeout_seconds: Annotated[float, Bounds(gt=0, le=300)] = 10.0
    """Of one request."""
    subjects: Literal["topic", "record", "topic_record"] = "topic"
    """The subject of a schema that Penstock writes: `TOPIC-value`, `RECORD` or `TOPIC-RECORD`."""
    check_json: bool = False
    """Whether each value of codec `json_schema` is checked against its schema."""


@dataclass(frozen=True, kw_only=True)
class PipelineSettings(_Settings):
    """A whole pipeline file."""

    kafka: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Kafka client settings by their Kafka names: `bootstrap.servers`, `group.id`,
    `security.protocol`, `sasl.mechanism`, `ssl.ca.location`, `compression.type` ..."""
    agents: Annotated[dict[Name, AgentSettings], Bounds(min_length=1)]
    registry: RegistrySettings | None = None
    """The schema registry of the codecs that need one."""
    metrics: MetricsSettings = MetricsSettings()
    state: StateSettings = StateSettings()
    topics: dict[str, TopicSettings] = field(default_factory=dict)
    """By topic name; `default` holds for the others."""
    guarantee: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """For results, dead letters and updates: `exactly_once` commits them with their offsets."""
    commit_interval_seconds: Annotated[float, Bounds(gt=0, le=60)] = 1.0
    shutdown_timeout_seconds: Annotated[float, Bounds(gt=0, le=600)] = 30.0
    """How long SIGTERM waits for records in flight."""
    liveness_timeout_seconds: Annotated[float, Bounds(ge=1, le=86_400)] = 300.0
    """How long there may be work without progress before `/live` turns false."""
    input_buffer_max_bytes: Annotated[int, Bounds(ge=1024 * 1024)] = 512 * 1024 * 1024
    """Bytes read and not finished, of all partitions of a worker: see `streams/input_buffer.py`."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return str(self.kafka.get("group.id", "penstock"))

    def agents_by_input(self) -> dict[str, list[str]]:
        """Return the names of the agents that read each input topic."""
        readers: dict[str, list[str]] = {}
        for name, agent in self.agents.items():
            for topic in agent.inputs:
                readers.setdefault(topic, []).append(name)
        return readers

    def written_topics(self) -> dict[str, str]:
        """Return every topic that the agents write, except state, with its role in words."""
        roles: dict[str, str] = {}
        for name, agent in self.agents.items():
            roles[agent.output] = f"output of agent {name}"
            if agent.updates:
                roles[agent.updates] = f"updates of agent {name}"
            for topic in agent.dead_letter_topics:
                roles[topic] = f"dead letters of agent {name}"
        return roles

    def state_topic(self, agent: str) -> str:
        """Return where snapshots of an agent's online model go, if `state.store` is `topic`."""
        return f"{self.group}.{agent}.state"
