"""`penstock broker`: run a broker on this machine, in a child process, for trying and testing."""

from agents.commands.broker.embedded import EMBEDDED_LIMITS, embedded_broker
from agents.commands.broker.kafka import kafka_broker
from agents.commands.broker.kafka_libs import kafka_libs
from agents.commands.broker.process import BrokerProcess

__all__ = [
    "EMBEDDED_LIMITS",
    "BrokerProcess",
    "embedded_broker",
    "kafka_broker",
    "kafka_libs",
]
