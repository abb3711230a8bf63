"""Reading an agent's dead letters: which records were refused."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Message

from agents.audit.inputs import OnRead
from agents.audit.ledger import Ledger, in_words, place_of
from agents.audit.report import AgentReport, Problem
from agents.topic_reader import Bounds, TopicReader
from schemas import DeadLetter
from schemas.dead_letter import ERROR_PREFIX


class LetterReader:
    """Reads the dead-letter topic of one agent into the ledgers of its input partitions."""

    def __init__(
        self,
        report: AgentReport,
        ledgers: Sequence[Ledger],
        slack: int,
        other_inputs: frozenset[str] = frozenset(),
    ) -> None:
        """Say what to expect.

        Args:
            report: where problems go.
            ledgers: of the input's partitions, in order.
            slack: dead letters are written as they arise: by how many records they may be out of
                order.
            other_inputs: the agent's other topics, each with accounts of its own.
        """
        self._report = report
        self._ledgers = ledgers
        self._slack = slack
        self._other_inputs = other_inputs

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
                if ledger.partition % num_partitions == partition:
                    below = first.get(ledger.partition, ledger.end) + self._slack
                    ledger.unprovable_below = max(ledger.unprovable_below, below)

    def _letter(self, message: Message) -> DeadLetter | None:
        headers = message.headers() or []
        if not any(name.startswith(ERROR_PREFIX) for name, _ in headers):
            self._report.foreign += 1
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
        if origin.topic == self._report.input and 0 <= origin.partition < len(self._ledgers):
            return letter
        if origin.topic in self._other_inputs:
            return None
        self._blame(
            Problem.ALIEN, message, f"of {in_words(origin)}, which is no input of this agent"
        )
        return None

    def _blame(self, problem: Problem, message: Message, told: str) -> None:
        at = message.partition() or 0, message.offset() or 0
        self._report.blame(problem, self._report.dead_letters, *at, told)
