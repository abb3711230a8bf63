"""Brokers for a machine that has none, each in a process of its own: demo, tests, trying out."""

from agents.brokers.embedded import EMBEDDED_LIMITS, embedded_broker
from agents.brokers.kafka import kafka_broker
from agents.brokers.kafka_cluster import kafka_cluster
from agents.brokers.kafka_libs import kafka_libs
from agents.brokers.process import BrokerProcess

__all__ = [
    "EMBEDDED_LIMITS",
    "BrokerProcess",
    "embedded_broker",
    "kafka_broker",
    "kafka_cluster",
    "kafka_libs",
]
