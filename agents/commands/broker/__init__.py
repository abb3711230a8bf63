"""Brokers for a machine that has none, each in a process of its own: demo, tests, trying out."""

from agents.commands.broker.embedded import EMBEDDED_LIMITS, embedded_broker
from agents.commands.broker.kafka import kafka_broker
from agents.commands.broker.kafka_cluster import kafka_cluster
from agents.commands.broker.kafka_libs import kafka_libs
from agents.commands.broker.process import BrokerProcess

__all__ = [
    "EMBEDDED_LIMITS",
    "BrokerProcess",
    "embedded_broker",
    "kafka_broker",
    "kafka_cluster",
    "kafka_libs",
]
