"""Tell the output for the present input topic from output for an earlier topic of its name."""

from __future__ import annotations

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from agents.commands.audit.ledger import Ledger
from agents.commands.audit.report import AgentReport
from schemas import Origin
from streams.kafka.positions import is_same_topic

#: Clocks of producers and workers may differ by this much.
_CLOCK_MS = 1_000


class Incarnation:
    """Decides whether a result or dead letter is for a record of the present input topic."""

    def __init__(self, report: AgentReport) -> None:
        """Decide nothing yet; what is of an earlier topic is counted in the report."""
        self._report = report

    def has(self, message: Message, topic_id: str, ledger: Ledger, origin: Origin) -> bool:
        """Return whether an answer is for a record of the present topic.

        With topic ids this is certain. Without, an answer that is older than every record of the
        partition is of an earlier topic if brokers set both timestamps; if producers set one, their
        clocks may differ: then it counts as an answer, and as `AgentReport.older`.

        Args:
            message: the result or dead letter.
            topic_id: what it says of its record's topic; "": nothing.
            ledger: of the record's partition, with all records entered.
            origin: the record that it is for.
        """
        report = self._report
        if not is_same_topic(topic_id, report.topic_id):
            report.earlier_topic += 1
            return False
        if topic_id and report.topic_id:
            return True
        report.without_topic_id += 1
        if not ledger.oldest <= origin.offset < ledger.end:
            return True
        kind, time_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME and ledger.is_broker_time:
            if 0 <= time_ms < ledger.oldest_ms:
                report.earlier_topic += 1
                return False
        elif 0 <= time_ms < ledger.oldest_ms - _CLOCK_MS:
            report.older += 1
        return True
