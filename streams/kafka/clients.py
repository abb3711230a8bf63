"""confluent-kafka clients, made from the pipeline's `kafka:` settings.

These clients work beside the record path; the records of the agents travel through
`streams/transport`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.errors import BrokerSettingsError
from streams.kafka.login import oauth_callback, token_source
from streams.kafka.settings import Kafka, confluent_config

# librdkafka repeats each failure on stderr several times a second. Callers raise one error instead.
_silent = logging.getLogger("penstock.kafka.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False

#: No client creates a topic by naming it. librdkafka's producers and admin clients would, on a
#: broker with `auto.create.topics.enable` (Kafka's default), with its own number of partitions.
_NO_NEW_TOPICS: dict[str, str | int | float | bool] = {"allow.auto.create.topics": False}
#: Every consumer made here reads the partitions that it assigns to itself.
_CONSUMER_DEFAULTS: dict[str, str | int | float | bool] = {
    "group.id": "penstock",  # librdkafka requires a group even if none is joined
}
_CONSUMER_SETTINGS: dict[str, str | int | float | bool] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Records that retention removes before they are read are skipped. They are not an error.
    "auto.offset.reset": "earliest",
}

_Client = TypeVar("_Client")


def make_consumer(kafka: Kafka, settings: Kafka | None = None) -> Consumer:
    """Create a consumer that joins no group and commits only what its caller commits.

    Args:
        kafka: client settings by librdkafka's names.
        settings: override `kafka`.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
        BrokerError: the login needs a token, and there is none.
    """
    config = {
        **_CONSUMER_DEFAULTS,
        **confluent_config(kafka, "consumer"),
        **_CONSUMER_SETTINGS,
        **_NO_NEW_TOPICS,
        **(settings or {}),
    }
    config.pop("group.instance.id", None)  # only a member of a group has one
    return _make(Consumer, kafka, config)


def make_producer(kafka: Kafka, settings: Kafka | None = None) -> Producer:
    """Create a producer. Records for a topic that does not exist fail after 30 seconds.

    Args:
        kafka: client settings by librdkafka's names.
        settings: override `kafka`.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
        BrokerError: the login needs a token, and there is none.
    """
    config = {**confluent_config(kafka, "producer"), **_NO_NEW_TOPICS, **(settings or {})}
    return _make(Producer, kafka, config)


def make_admin(
    kafka: Kafka,
    on_error: Callable[[KafkaError], None] = lambda _: None,
    settings: Kafka | None = None,
) -> AdminClient:
    """Create an admin client.

    Args:
        kafka: client settings by librdkafka's names.
        on_error: called with each error of the client's connections.
        settings: override `kafka`.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
        BrokerError: the login needs a token, and there is none.
    """
    config = {**confluent_config(kafka, "admin"), **_NO_NEW_TOPICS, **(settings or {})}
    return _make(AdminClient, kafka, {**config, "error_cb": on_error})


def _make(client: Callable[..., _Client], kafka: Kafka, config: dict[str, Any]) -> _Client:
    if (source := token_source(kafka)) is not None:
        source.token()  # raises here what the client's constructor would hide
        config = {**config, "oauth_cb": oauth_callback(source)}
    try:
        return client(config, logger=_silent)
    except KafkaException as error:
        raise BrokerSettingsError(f"kafka: {error.args[0].str()}") from None
