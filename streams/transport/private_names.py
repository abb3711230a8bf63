"""The private names of aiokafka and Faust that this folder uses, and a check that all exist.

No other folder uses private names of the two libraries; `tests/streams/transport` holds both rules.
"""

from __future__ import annotations

import dis
import importlib
from importlib.metadata import version
from types import FunctionType
from typing import NamedTuple

#: The versions that are supported, by package; as in pyproject.toml.
REQUIREMENTS = {"aiokafka": ">=0.14,<0.15", "faust-streaming": ">=0.15.3,<0.16"}


class PrivateName(NamedTuple):
    """One private name, or one method of the library that is overridden."""

    owner: str
    """`module`, or `module:Class`."""
    name: str
    use: str
    """What Penstock does with it."""

    def __str__(self) -> str:
        return f"{self.owner.replace(':', '.')}.{self.name}"


def _names(owner: str, **uses: str) -> list[PrivateName]:
    return [PrivateName(owner, name, use) for name, use in uses.items()]


PRIVATE_NAMES = (
    # Classes of aiokafka that are replaced for the whole process.
    *_names("aiokafka.conn", AIOKafkaConnection="replaced by `KafkaConnection`"),
    *_names(
        "aiokafka.consumer.fetcher",
        MemoryRecords="replaced by `RetainedRecords`, which keeps the fetched bytes",
        FetchResult="replaced by `BatchFetchResult`, which returns the parser's records",
    ),
    # Connections.
    *_names(
        "aiokafka.protocol.metadata:MetadataRequest",
        _allow_auto_topic_creation="set to False: no request may create a topic",
    ),
    *_names(
        "aiokafka.conn:AIOKafkaConnection",
        _writer="write the parts of a produce request",
        _versions="prepare a request; find what a broker supports: exactly_once, topic ids",
        _client_id="build a request header",
        _next_correlation_id="build a request header",
        _requests="register a request that awaits its response",
        _request_timeout="limit the wait for a response",
        _loop="make the future of a response",
        _do_sasl_handshake="log in again before the session ends",
        _send_sasl_token="overridden: raises KafkaConnectionError where uvloop raises RuntimeError",
    ),
    *_names(
        "aiokafka.client:AIOKafkaClient",
        _conns="find what a broker supports: exactly_once, topic ids",
        _metadata_update="wrapped: `BrokerContact` notes when a broker last answered",
    ),
    # The consumer.
    *_names(
        "aiokafka.consumer.consumer:AIOKafkaConsumer",
        _client="watch its requests; close its connections",
        _closed="stop a fetch of a closed consumer",
        _coordinator="take up errors of the group coordination; rejoin",
        _fetcher="take fetched records by the batch",
        _isolation_level="know whether open transactions hold back records",
        _subscription="read a partition's position and end offset",
    ),
    *_names("aiokafka.consumer.consumer", GroupCoordinator="replaced by `Coordinator`"),
    *_names(
        "aiokafka.consumer.group_coordinator:GroupCoordinator",
        _assignors="the one assignor that a consumer has",
        _closing="wait for the end of a consumer that is fenced",
        _coordination_task="know whether the coordination has ended for good",
        _group_instance_id="send it with heartbeats",
        _lookup_assignor="overridden: one assignor under two names",
        _on_join_complete="overridden: the assignor notes the generation",
        _send_req="overridden: offers the assignor's older name; notices another member that has "
        "the same group.instance.id",
    ),
    *_names(
        "aiokafka.protocol.group:JoinGroupRequest",
        _group_protocols="set: the assignor is offered under two names",
    ),
    *_names(
        "aiokafka.consumer.fetcher:Fetcher",
        _closed="stop a fetch of a closed consumer",
        _create_fetch_waiter="wait for records",
        _records="take fetched records by the batch",
        _subscriptions="mark the time of a fetch",
    ),
    *_names(
        "aiokafka.protocol.fetch:FetchRequest",
        _isolation_level="send the request with the topics' ids",
        _max_bytes="send the request with the topics' ids",
        _max_wait_ms="send the request with the topics' ids",
        _min_bytes="send the request with the topics' ids",
        _rack_id="send the request with the topics' ids",
    ),
    *_names(
        "aiokafka.consumer.fetcher:FetchResult",
        _partition_records="take records by the batch",
        _topic_partition="check that the partition is still assigned",
        _update_position="move the position behind taken records",
    ),
    *_names(
        "aiokafka.consumer.fetcher:PartitionRecords",
        _records="replaced by `_Batches`",
        _consumer_record="replaced: the parser's records stay as they are",
    ),
    *_names(
        "aiokafka.record.default_records",
        _DefaultRecordBatchPy="base of `LenientBatch`",
        _DefaultRecordPy="made by `LenientBatch`",
    ),
    *_names(
        "aiokafka.record.default_records:_DefaultRecordBatchPy",
        _buffer="read a record",
        _pos="read a record",
        _read_msg="overridden: escapes header names that are not UTF-8",
    ),
    # The producer.
    *_names(
        "aiokafka.producer.producer:AIOKafkaProducer",
        _closed="stop a transactional producer",
        _loop="build the accumulator",
        _message_accumulator="replaced by `_Accumulator`",
        _metadata="share the metadata of another producer's client",
        _sender="hand over the accumulator and the transaction manager; stop",
        _txn_manager="replaced by `_Numbering`; add offsets to a transaction",
    ),
    *_names(
        "aiokafka.producer.sender:Sender",
        _message_accumulator="replaced by `_Accumulator`",
        _txn_manager="replaced by `_Numbering`",
    ),
    *_names(
        "aiokafka.producer.message_accumulator:MessageAccumulator",
        _batches="retrieve the errors of batches that were never sent",
        _batch_size="build the accumulator again",
        _closed="stop a transactional producer",
        _cluster="share the metadata of another producer's client",
        _compression_type="build the accumulator again",
        _linger_time="build the accumulator again",
        _pop_batch="overridden: gives back the sequence numbers of a rejected batch",
        _txn_manager="give back sequence numbers",
    ),
    *_names(
        "aiokafka.producer.message_accumulator:MessageBatch",
        _drain_waiter="retrieve the error of a batch that was never sent",
    ),
    *_names(
        "aiokafka.producer.transaction_manager:TransactionManager",
        _sequence_numbers="continue at 0 after 2**31 - 1",
        _transaction_waiter="retrieve its error when a producer stops",
    ),
    *_names(
        "aiokafka.producer.message_accumulator:BatchBuilder",
        _build="overridden: the records are encoded already",
        _buffer="set: read by the batch that is sent",
        _closed="set: no record can be added",
        _relative_offset="set: the number of records",
        _set_producer_state="overridden: kept for the batch header",
    ),
    # Faust.
    *_names(
        "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread",
        _assignor="set: sticky where there are no tables",
        _commit="overridden: a failed commit is retried instead of ending the worker",
        _consumer="the aiokafka consumer, if it is started",
        _create_worker_consumer="overridden: the client settings of the pipeline file",
        _ensure_consumer="the aiokafka consumer",
        _fetch_records="overridden: records of pipeline topics become columns",
    ),
    *_names(
        "faust.transport.drivers.aiokafka:Consumer",
        _acked="offsets that the compiled stream iterator acknowledges by itself",
        _acked_index="offsets that the compiled stream iterator acknowledges by itself",
        _commit="commit watermarks",
        _committed_offset="where reading starts",
        _drain_messages="overridden: whole fetches instead of single records",
        _get_active_partitions="the partitions to fetch from",
        _new_consumer_thread="overridden: `ConsumerThread`",
        _thread="the consumer thread",
        _to_message="a stock agent's message",
    ),
    *_names(
        "faust.transport.drivers.aiokafka:Producer",
        _ensure_producer="the aiokafka producer",
        _new_producer="overridden: watches the client's requests",
        _producer="the aiokafka producer, if it is started",
        _producer_type="overridden: `KafkaProducer`",
        _settings_auth="make a transactional producer",
        _settings_default="make a transactional producer",
        _settings_extra="overridden: the client settings of the pipeline file",
    ),
    *_names(
        "faust.transport.drivers.aiokafka:Transport",
        _create_topic="overridden: creates no topic of the pipeline",
    ),
    *_names(
        "faust.transport.conductor:Conductor",
        _build_handler="overridden: passes on record batches without decoding",
    ),
    *_names(
        "faust.app.base:App",
        _create_directories="overridden: no folder where no table needs one",
        FlowControlQueue="overridden: never cleared on resume",
    ),
    *_names("faust.tables.base:Collection", _store="know whether a table is stored on disk"),
    *_names("faust.tables.manager:TableManager", sleep="overridden: no wait without tables"),
    *_names("faust.tables.recovery", RebalanceAgain="raised when a takeover is interrupted"),
)


class UnsupportedLibraryError(RuntimeError):
    """The installed aiokafka or Faust lacks names that Penstock uses."""


def check_private_names() -> None:
    """Check that every private name exists in the installed libraries.

    Raises:
        UnsupportedLibraryError: one is missing; the message says which, and what to install.
    """
    for private_name in PRIVATE_NAMES:
        if _exists(private_name):
            continue
        package = "aiokafka" if private_name.owner.startswith("aiokafka.") else "faust-streaming"
        raise UnsupportedLibraryError(
            f"{package} {version(package)} has no {private_name}, which Penstock uses: install "
            f"'{package}{REQUIREMENTS[package]}'"
        )


def _exists(private_name: PrivateName) -> bool:
    module_name, _, class_name = private_name.owner.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return False
    owner = getattr(module, class_name, None) if class_name else module
    if hasattr(owner, private_name.name):
        return True
    return isinstance(owner, type) and any(
        private_name.name in function.__code__.co_names and _sets(function, private_name.name)
        for base in owner.__mro__
        for function in vars(base).values()
        if isinstance(function, FunctionType)
    )


def _sets(function: FunctionType, name: str) -> bool:
    """Whether a method sets an attribute."""
    return any(
        instruction.opname == "STORE_ATTR" and instruction.argval == name
        for instruction in dis.get_instructions(function)
    )
