"""Reading an agent's dead letters: which records were refused."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Message

from agents.commands.audit.inputs import OnRead
from agents.commands.audit.ledger import MAX_OFFSET, Ledger, describe_record, place_of
from agents.commands.audit.report import AgentReport, Problem
from schemas import DeadLetter, Settlement
from schemas.dead_letter import ERROR_PREFIX
from streams.kafka.reader import Bounds, TopicReader
from streams.message_headers import headers_of


class LetterReader:
    """Reads the dead-letter topic of one agent into the ledgers of its input partitions."""

    def __init__(
        self,
        report: AgentReport,
        ledgers: Sequence[Ledger],
        slack: int,
        expired_below: Sequence[int],
        other_inputs: frozenset[str] = frozenset(),
    ) -> None:
        """Say what to expect.

        Args:
            report: where problems go.
            ledgers: of the input's partitions, in order.
            slack: dead letters are written as they arise: by how many records they may be out of
                order.
            expired_below: of each input partition, the offset below which dead letters may be too
                old for the topic's retention.
            other_inputs: the agent's other topics, each with accounts of its own.
        """
        self._report = report
        self._ledgers = ledgers
        self._slack = slack
        self._other_inputs = other_inputs
        self._expired_below = expired_below

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
                at = letter.origin.partition
                if at % num_partitions != partition:
                    told = f"of input partition {at}: it belongs to another partition"
                    self._blame(Problem.MISPLACED, message, told)
                first.setdefault(at, letter.origin.offset)
                place = place_of(partition, message.offset() or 0)
                self._ledgers[at].dead_letter(
                    letter.origin.offset, self._report.dead_letters, place
                )
                self._report.letters += 1
            on_read(len(messages))
        if bounds.low:
            for ledger in self._ledgers:
                at = ledger.partition
                if at % num_partitions == partition:
                    above = first.get(at, ledger.end) + self._slack
                    ledger.doubt_below(min(above, self._expired_below[at]))

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
        origin = letter.origin
        is_one = 0 <= origin.partition < len(self._ledgers) and 0 <= origin.offset <= MAX_OFFSET
        if origin.topic == self._report.input and is_one:
            return letter
        if origin.topic in self._other_inputs:
            return None
        self._blame(
            Problem.ALIEN, message, f"of {describe_record(origin)}, which is no input of this agent"
        )
        return None

    def _is_settlement(self, message: Message) -> bool:
        found = Settlement.from_record(message.value(), headers_of(message))
        if found and found.letter.topic == self._report.dead_letters:
            for partition, offset in found.below.items():  # deleted by hand, having been settled
                if 0 <= partition < len(self._ledgers):
                    self._ledgers[partition].doubt_below(min(offset, MAX_OFFSET))
        return found is not None

    def _blame(self, problem: Problem, message: Message, told: str) -> None:
        at = message.partition() or 0, message.offset() or 0
        self._report.blame(problem, self._report.dead_letters, *at, told)
