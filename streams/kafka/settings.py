"""Translate the pipeline's `kafka:` mapping, in librdkafka's names, for each client library.

Users know librdkafka's names from other Kafka tools; aiokafka uses different ones. A setting that
aiokafka lacks is an error: a security setting that is silently ignored is worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from streams.kafka.errors import BrokerSettingsError
from streams.kafka.login import (
    AWS_MSK_IAM,
    LOGIN_SETTINGS,
    OAUTHBEARER,
    TokenProvider,
    sasl_mechanism,
    token_source,
)
from streams.kafka.tls import TLS_SETTINGS, is_true, ssl_context

#: Kafka client settings by librdkafka's names.
Kafka: TypeAlias = Mapping[str, str | int | float | bool]

Role: TypeAlias = Literal["consumer", "producer", "admin"]

_SECRET_WORDS = ("password", "secret", "jaas", "key.pem", "oauthbearer.config")
_SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def _text(value: object) -> str:
    return str(value)


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError("expected a whole number") from None


def _one_of(*names: str, upper: bool = False) -> Callable[[object], str]:
    def convert(value: object) -> str:
        name = str(value).upper() if upper else str(value).lower()
        if name not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        return name

    return convert


def _acks(value: object) -> int | str:
    if str(value) in ("all", "-1"):
        return "all"
    if str(value) not in ("0", "1"):
        raise ValueError("expected 0, 1 or all")
    return int(str(value))


class _Setting(NamedTuple):
    """The aiokafka equivalent of a librdkafka setting."""

    name: str
    convert: Callable[[object], Any]
    roles: tuple[Role, ...] = ("consumer", "producer", "admin")


_CONSUMER: tuple[Role, ...] = ("consumer",)
_PRODUCER: tuple[Role, ...] = ("producer",)
_compression = _one_of("none", "gzip", "snappy", "lz4", "zstd")

SETTINGS: dict[str, _Setting] = {
    "bootstrap.servers": _Setting("bootstrap_servers", _text),
    "client.id": _Setting("client_id", _text),
    "security.protocol": _Setting("security_protocol", _one_of(*_SECURITY_PROTOCOLS, upper=True)),
    "sasl.mechanism": _Setting("sasl_mechanism", sasl_mechanism),
    "sasl.mechanisms": _Setting("sasl_mechanism", sasl_mechanism),
    "sasl.username": _Setting("sasl_plain_username", _text),
    "sasl.password": _Setting("sasl_plain_password", _text),
    "socket.timeout.ms": _Setting("request_timeout_ms", _whole),
    "metadata.max.age.ms": _Setting("metadata_max_age_ms", _whole),
    "connections.max.idle.ms": _Setting("connections_max_idle_ms", _whole),
    "group.id": _Setting("group_id", _text, _CONSUMER),
    "group.instance.id": _Setting("group_instance_id", _text, _CONSUMER),
    "client.rack": _Setting("client_rack", _text, _CONSUMER),
    "auto.offset.reset": _Setting(
        "auto_offset_reset", _one_of("earliest", "latest", "none"), _CONSUMER
    ),
    "isolation.level": _Setting(
        "isolation_level", _one_of("read_committed", "read_uncommitted"), _CONSUMER
    ),
    "session.timeout.ms": _Setting("session_timeout_ms", _whole, _CONSUMER),
    "heartbeat.interval.ms": _Setting("heartbeat_interval_ms", _whole, _CONSUMER),
    "max.poll.interval.ms": _Setting("max_poll_interval_ms", _whole, _CONSUMER),
    "fetch.wait.max.ms": _Setting("fetch_max_wait_ms", _whole, _CONSUMER),
    "fetch.min.bytes": _Setting("fetch_min_bytes", _whole, _CONSUMER),
    "fetch.max.bytes": _Setting("fetch_max_bytes", _whole, _CONSUMER),
    "max.partition.fetch.bytes": _Setting("max_partition_fetch_bytes", _whole, _CONSUMER),
    "check.crcs": _Setting("check_crcs", is_true, _CONSUMER),
    "acks": _Setting("acks", _acks, _PRODUCER),
    "enable.idempotence": _Setting("enable_idempotence", is_true, _PRODUCER),
    "compression.type": _Setting("compression_type", _compression, _PRODUCER),
    "compression.codec": _Setting("compression_type", _compression, _PRODUCER),
    "transaction.timeout.ms": _Setting("transaction_timeout_ms", _whole, _PRODUCER),
    "linger.ms": _Setting("linger_ms", _whole, _PRODUCER),
    "batch.size": _Setting("max_batch_size", _whole, _PRODUCER),
    "message.max.bytes": _Setting("max_request_size", _whole, _PRODUCER),
}
_MECHANISM_NAMES = ("sasl.mechanism", "sasl.mechanisms")
_COMMITS = "Penstock commits offsets itself, once results are acknowledged"
#: Settings that no argument of aiokafka stands for one by one.
OTHER_SETTINGS = (*TLS_SETTINGS, *LOGIN_SETTINGS)
_NOT_SETTABLE = {"enable.auto.commit": _COMMITS, "enable.auto.offset.store": _COMMITS}


def redacted(kafka: Kafka) -> dict[str, str | int | float | bool]:
    """Return the mapping for logs: values that may be secrets are `***`."""
    return {
        name: "***" if any(word in name.lower() for word in _SECRET_WORDS) else value
        for name, value in kafka.items()
    }


def bootstrap_servers(kafka: Kafka) -> str:
    """Return the bootstrap brokers, `host:port[,host:port...]`.

    Raises:
        BrokerSettingsError: the setting is missing or empty.
    """
    servers = str(kafka.get("bootstrap.servers", "")).strip()
    if not servers:
        raise BrokerSettingsError(
            "kafka: bootstrap.servers is missing: set it to host:port of a broker"
        )
    return servers


def confluent_config(kafka: Kafka, role: Role) -> dict[str, str | int | float | bool]:
    """Return the configuration of a confluent-kafka client.

    Settings of other roles are left out, since librdkafka warns about each, and those of a login
    with tokens, which `make_consumer` and its like add. Unknown settings are passed on, and
    librdkafka checks them.

    Raises:
        BrokerSettingsError: `bootstrap.servers` is missing.
    """
    bootstrap_servers(kafka)
    return {
        name: OAUTHBEARER if _is_msk(name, value) else value
        for name, value in kafka.items()
        if name not in LOGIN_SETTINGS and (name not in SETTINGS or role in SETTINGS[name].roles)
    }


def _is_msk(name: str, value: object) -> bool:
    """Whether this is the mechanism that AWS speaks through OAUTHBEARER."""
    return name in _MECHANISM_NAMES and str(value).upper() == AWS_MSK_IAM


def aiokafka_arguments(kafka: Kafka, role: Role) -> dict[str, Any]:
    """Return keyword arguments of aiokafka's consumer, producer or admin client.

    Raises:
        BrokerSettingsError: a setting is unknown or of a wrong value, or a file can't be read.
    """
    bootstrap_servers(kafka)
    arguments: dict[str, Any] = {}
    for name, value in kafka.items():
        if name in OTHER_SETTINGS:
            continue
        setting = _known(name)
        converted = _converted(name, setting, value)
        if role in setting.roles:
            arguments[setting.name] = converted
    if arguments.get("compression_type") == "none":
        arguments["compression_type"] = None
    if arguments.get("security_protocol", "PLAINTEXT").endswith("SSL"):
        arguments["ssl_context"] = ssl_context(kafka)
    if (source := token_source(kafka)) is not None:
        arguments["sasl_mechanism"] = OAUTHBEARER
        arguments["sasl_oauth_token_provider"] = TokenProvider(source)
    return arguments


def _known(name: str) -> _Setting:
    if name in _NOT_SETTABLE:
        raise BrokerSettingsError(f"kafka: {name} can't be set: {_NOT_SETTABLE[name]}")
    if name not in SETTINGS:
        supported = ", ".join(sorted([*SETTINGS, *OTHER_SETTINGS]))
        raise BrokerSettingsError(f"kafka: {name} is not supported: expected one of {supported}")
    return SETTINGS[name]


def _converted(name: str, setting: _Setting, value: object) -> Any:
    try:
        return setting.convert(value)
    except ValueError as error:
        shown = redacted({name: str(value)})[name]
        raise BrokerSettingsError(f"kafka: {name} is {shown!r}: {error}") from None
