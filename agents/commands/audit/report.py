"""The report of an audit: counts for each agent, and what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

#: This many records with each problem are named; the rest are only counted.
MAX_CULPRITS = 5
#: This many ranges of removed records are named.
MAX_RANGES = 100


class Verdict(StrEnum):
    """What an audit can say."""

    PROVEN = "proven"
    """Nothing is wrong, and everything that this needs is known."""
    WRONG = "wrong"
    """There are problems."""
    NOT_PROVABLE = "not_provable"
    """No problem is known, but something can't be known: see `AgentReport.doubts`."""


class Problem(StrEnum):
    """What can be wrong with one record."""

    MISSING = "missing"
    """Committed, but without a result or dead letter."""
    REMOVED = "removed"
    """No longer in the input, though the group had not answered it: one for each offset."""
    UNFINISHED = "unfinished"
    """Not committed and without a result or dead letter, in an audit with `--drained`."""
    DIFFERING = "differing"
    """A repeat with another value than the first answer."""
    DOUBLED = "doubled"
    """A repeat, although repeats are not allowed."""
    OUT_OF_ORDER = "out_of_order"
    """Answered after a later record of its key."""
    BOTH_OUTCOMES = "both_outcomes"
    """Both a result and a dead letter."""
    INCOMPLETE = "incomplete"
    """A record has several results, and one before the last is missing."""
    MISPLACED = "misplaced"
    """A result or dead letter in another partition than its record's."""
    WRONG_KEY = "wrong_key"
    """A result with another key than its record."""
    ALIEN = "alien"
    """A result or dead letter of this agent for a record that was never in the input."""
    UNREADABLE = "unreadable"
    """A result or dead letter of this agent that can't be read or contradicts its headers."""


@dataclass(frozen=True)
class Culprit:
    """One record with a problem, and its place."""

    problem: Problem
    topic: str
    partition: int
    offset: int
    detail: str
    """What is wrong with it, for people."""

    def __str__(self) -> str:
        return f"{self.problem}: {self.topic}[{self.partition}] offset {self.offset}: {self.detail}"


@dataclass(frozen=True)
class RemovedRange:
    """Offsets below the log start that have neither a result nor a dead letter."""

    partition: int
    first: int
    last: int
    is_lost: bool
    """True: records were removed before they were answered. False: that can't be known."""
    reason: str
    """How that is known, or why not, for people."""

    @property
    def num_offsets(self) -> int:
        """How many offsets; there may be fewer records."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"[{self.partition}] offsets {self.first}-{self.last} ({self.num_offsets})"


@dataclass(frozen=True)
class PartitionRange:
    """What is known of one input partition: the range that the report is about."""

    partition: int
    log_start: int
    """The oldest offset that the topic holds."""
    audited_from: int
    """Records below this offset are not audited: the log start, or a later one with `since`."""
    end: int
    """One above the newest offset."""
    committed: int
    """The group's committed offset; -1: none."""
    committed_topic_id: str
    """The topic that the committed offset belongs to; "" if the commit does not say."""
    is_committed_here: bool
    """False: the committed offset is of an earlier topic, or beyond the end: it says nothing."""
    first_answered: int
    """The lowest offset with a result or dead letter, in the topic or not any more; -1: none."""


@dataclass
class AgentReport:
    """The counts for one input of one agent.

    records = answered + dead_lettered + filtered + in_flight + without_output + expired
    + removed_output + before_first + missing + unfinished. Replays are not counted as records:
    see `replays`. Removed records are not in the topic, so they are not among `records`.
    """

    agent: str
    input: str
    output: str
    dead_letters: str
    records: int = 0
    """In the input topic, without replays."""
    answered: int = 0
    """With a result, or settled by the result of a replay."""
    dead_lettered: int = 0
    """With a dead letter that no replay has settled."""
    filtered: int = 0
    """Tombstones."""
    in_flight: int = 0
    """Not committed, and without a result or dead letter."""
    without_output: int = 0
    """Committed without output, which the pipeline file allows (`answers: sometimes`)."""
    expired: int = 0
    """Without output, and older than the retention of the output and of the input (or where
    `penstock dlq drop --delete` deleted dead letters): not judged."""
    removed_output: int = 0
    """Without output, where output was removed earlier than that: nothing can be known."""
    before_first: int = 0
    """Before the first record that the group answered, which began with `latest`: not judged."""
    removed: int = 0
    """Offsets that the topic lost before their records were answered: see `removed_ranges`."""
    replays: int = 0
    """Records in the input that are replays of dead letters."""
    settled: int = 0
    """Dead-lettered records that a replay has answered; counted as answered."""
    results: int = 0
    """Results of this agent, repeats included."""
    letters: int = 0
    """Dead letters of this agent, repeats included."""
    repeats: int = 0
    """Results and dead letters after the first, and answers to a second replay."""
    past: int = 0
    """Results and dead letters of records that retention removed, or from before `since`."""
    earlier_topic: int = 0
    """Results and dead letters for records of an earlier topic of the input's name: not judged."""
    without_topic_id: int = 0
    """Results and dead letters that name no topic id, or whose input has none."""
    older: int = 0
    """Of these, the ones that are older, by their timestamps, than all records that the input
    partition holds: perhaps of an earlier topic."""
    foreign: int = 0
    """Records on the output and dead-letter topics that other programs wrote."""
    problems: Counter[str] = field(default_factory=Counter)
    """How many records have each `Problem`."""
    culprits: list[Culprit] = field(default_factory=list)
    """The first records with each problem."""
    topic_id: str = ""
    """Of the input, as Kafka's tools print it; "": the broker gives none."""
    partitions: list[PartitionRange] = field(default_factory=list)
    """Of the input, in order."""
    removed_ranges: list[RemovedRange] = field(default_factory=list)
    """The first ranges of offsets that the topic lost before, or perhaps before, an answer."""
    unknown_offsets: Counter[str] = field(default_factory=Counter)
    """Offsets below the log start that may be lost records or none, by why that is not known."""
    doubts: list[str] = field(default_factory=list)
    """Why nothing is proven although nothing wrong is known, for people."""
    notes: list[str] = field(default_factory=list)
    """What limits this proof, for people."""

    @property
    def verdict(self) -> Verdict:
        """What the audit can say of this input."""
        if self.problems:
            return Verdict.WRONG
        return Verdict.NOT_PROVABLE if self.doubts else Verdict.PROVEN

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong, and everything is known that this needs."""
        return self.verdict is Verdict.PROVEN

    @property
    def not_judged(self) -> int:
        """Records in the topic of which the audit can't say whether they were answered."""
        return self.expired + self.removed_output + self.before_first + self.without_output

    def blame(self, problem: Problem, topic: str, partition: int, offset: int, detail: str) -> None:
        """Count a problem, and name the record if it is among the first."""
        if self.problems[problem] < MAX_CULPRITS:
            self.culprits.append(Culprit(problem, topic, partition, offset, detail))
        self.problems[problem] += 1

    def count(self, problem: Problem, more: int) -> None:
        """Count a problem `more` times without naming records; a negative number counts as 0."""
        if more > 0:
            self.problems[problem] += more


@dataclass
class Report:
    """The reports of a pipeline's agents."""

    agents: list[AgentReport]
    """One for each input of each agent."""
    group: str
    seconds: float = 0.0
    num_read: int = 0
    """Records read from all topics."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any agent."""
        found = {agent.verdict for agent in self.agents}
        return next(v for v in (Verdict.WRONG, Verdict.NOT_PROVABLE, Verdict.PROVEN)
                    if v in found or v is Verdict.PROVEN)  # fmt: skip

    @property
    def is_proven(self) -> bool:
        """Whether the verdict on each agent is `proven`."""
        return self.verdict is Verdict.PROVEN

    @property
    def culprits(self) -> list[Culprit]:
        """The first records with each problem of each agent."""
        return [culprit for agent in self.agents for culprit in agent.culprits]

    def agent(self, name: str, topic: str = "") -> AgentReport:
        """Return the report of one agent's input, by default its first."""
        return next(a for a in self.agents if a.agent == name and topic in ("", a.input))
