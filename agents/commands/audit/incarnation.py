"""Tell the output for the present input topic from output for an earlier topic of its name."""

from __future__ import annotations

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from agents.commands.audit.ledger import Ledger
from agents.commands.audit.report import AgentReport
from schemas import Origin
from streams.kafka.positions import is_same_topic

#: Clocks of producers and workers may differ by this much.
CLOCK_MS = 1_000


class Incarnation:
    """Decides whether a result or dead letter is for a record of the present input topic."""

    def __init__(self, report: AgentReport) -> None:
        """Decide nothing yet; what is of an earlier topic is counted in the report."""
        self._report = report

    def is_earlier(self, topic_id: str) -> bool:
        """Return whether an answer is for a record of an earlier topic, by its topic id.

        Args:
            topic_id: what the answer says of its record's topic; "": nothing.
        """
        is_earlier = not is_same_topic(topic_id, self._report.topic_id)
        self._report.earlier_topic += is_earlier
        return is_earlier

    def is_earlier_by_time(
        self, message: Message, topic_id: str, ledger: Ledger, origin: Origin
    ) -> bool:
        """Return whether an answer without topic id is for a record of an earlier topic.

        It is if it is older than every record of the partition, and brokers set both timestamps. If
        producers set one, their clocks may differ: then it counts as an answer, and in
        `AgentReport.older`.

        Args:
            message: the result or dead letter.
            topic_id: what it says of its record's topic; "": nothing.
            ledger: of the record's partition, with all records entered.
            origin: the record that it is for.
        """
        report = self._report
        if topic_id and report.topic_id:
            return False
        report.without_topic_id += 1
        if not ledger.oldest <= origin.offset < ledger.end:
            return False
        kind, time_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME and ledger.is_broker_time:
            is_earlier = bool(0 <= time_ms < ledger.oldest_ms)
            report.earlier_topic += is_earlier
            return is_earlier
        report.older += 0 <= time_ms < ledger.oldest_ms - CLOCK_MS
        return False
