"""Read an agent's dead letters: which records were refused."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Message

from agents.commands.audit.incarnation import CLOCK_MS, Incarnation
from agents.commands.audit.ledger import MAX_OFFSET, Ledger, OnRead, describe_origin, place_of
from agents.commands.audit.report import AgentReport, Problem
from agents.commands.audit.retention import Expiry
from schemas import DeadLetter, Settlement
from schemas.dead_letter import ERROR_PREFIX
from streams.kafka.message_headers import headers_of
from streams.kafka.positions import split_id_suffix
from streams.kafka.reader import Bounds, TopicReader


class LetterReader:
    """Reads the dead-letter topic of one agent into the ledgers of its input partitions."""

    def __init__(
        self,
        report: AgentReport,
        ledgers: Sequence[Ledger],
        slack: int,
        expiry: Expiry,
        other_inputs: frozenset[str] = frozenset(),
    ) -> None:
        """Read nothing yet.

        Args:
            report: receives counts and problems.
            ledgers: of the input's partitions, in order.
            slack: how many records dead letters may be out of order, since each is written as soon
                as its record fails.
            expiry: of the dead-letter topic.
            other_inputs: the agent's other input topics; each has a separate audit.
        """
        self._report = report
        self._ledgers = ledgers
        self._slack = slack
        self._other_inputs = other_inputs
        self._expiry = expiry
        self._incarnation = Incarnation(report)

    def read(
        self,
        reader: TopicReader,
        partition: int,
        bounds: Bounds,
        num_partitions: int,
        on_read: OnRead,
    ) -> None:
        """Enter every dead letter of one partition.

        Raises:
            BrokerError: it can't be read.
        """
        first: dict[int, int] = {}
        for messages in reader.read(self._report.dead_letters, partition, bounds):
            for message in messages:
                letter = self._letter(message)
                if letter is None:
                    continue
                input_partition = letter.origin.partition
                if input_partition % num_partitions != partition:
                    detail = (
                        f"of input partition {input_partition}: it belongs to another partition"
                    )
                    self._blame(Problem.MISPLACED, message, detail)
                first.setdefault(input_partition, letter.origin.offset)
                place = place_of(partition, message.offset() or 0)
                self._ledgers[input_partition].dead_letter(
                    letter.origin.offset, self._report.dead_letters, place
                )
                self._report.letters += 1
            on_read(len(messages))
        if bounds.low:
            for ledger in self._ledgers:
                if ledger.partition % num_partitions == partition:
                    above = first.get(ledger.partition, ledger.end) + self._slack
                    below = min(above, self._expiry.below[ledger.partition])
                    expected_below = self._expiry.expected_below[ledger.partition]
                    ledger.doubt_below(below, expired_below=expected_below)

    def _letter(self, message: Message) -> DeadLetter | None:
        headers = headers_of(message)
        if not any(name.startswith(ERROR_PREFIX) for name, _ in headers):
            self._report.foreign += not self._is_settlement(message)
            return None
        try:
            letter = DeadLetter.from_headers(headers)
        except (KeyError, ValueError, AttributeError) as error:
            self._blame(Problem.UNREADABLE, message, f"{type(error).__name__}: {error}"[:200])
            return None
        if letter.agent != self._report.agent:
            self._report.foreign += 1
            return None
        origin, topic_id = letter.origin, _topic_id(headers)
        if origin.topic == self._report.input and self._incarnation.is_earlier(topic_id):
            return None
        is_valid = 0 <= origin.partition < len(self._ledgers) and 0 <= origin.offset <= MAX_OFFSET
        if origin.topic == self._report.input and is_valid:
            ledger = self._ledgers[origin.partition]
            is_earlier = self._incarnation.is_earlier_by_time(message, topic_id, ledger, origin)
            return None if is_earlier else letter
        if origin.topic in self._other_inputs:
            return None
        self._blame(
            Problem.ALIEN,
            message,
            f"of {describe_origin(origin)}, which is not an input of this agent",
        )
        return None

    def _is_settlement(self, message: Message) -> bool:
        settlement = Settlement.from_record(message.value(), headers_of(message))
        if settlement and settlement.letter.topic == self._report.dead_letters:
            for partition, offset in settlement.below.items():  # letters that a user has deleted
                if not 0 <= partition < len(self._ledgers):
                    continue
                ledger, below = self._ledgers[partition], min(offset, MAX_OFFSET)
                if settlement.settled_at_ms < ledger.oldest_ms - CLOCK_MS:
                    below = min(below, ledger.oldest)  # the records held now came later
                ledger.doubt_below(below, expired_below=below)
        return settlement is not None

    def _blame(self, problem: Problem, message: Message, detail: str) -> None:
        place = message.partition() or 0, message.offset() or 0
        self._report.blame(problem, self._report.dead_letters, *place, detail)


def _topic_id(headers: Sequence[tuple[str, bytes]]) -> str:
    """Return the topic id of a dead letter's record; "" if the letter does not say."""
    ce_id = dict(headers).get("ce_id", b"").decode("utf-8", "replace")
    plain, topic_id = split_id_suffix(ce_id)
    return topic_id if plain.endswith(":dead_letter:0") else ""
