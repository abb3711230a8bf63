"""What an audit found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

#: Culprits that are named of each problem; the rest are only counted.
MAX_CULPRITS = 5


class Problem(StrEnum):
    """What can be wrong with one record."""

    MISSING = "missing"
    """Committed, but neither result nor dead letter."""
    UNFINISHED = "unfinished"
    """Not committed and no outcome yet, although all was said to be drained."""
    DIFFERING = "differing"
    """A repeat whose value is not that of the first answer."""
    DOUBLED = "doubled"
    """A repeat where there must be none."""
    OUT_OF_ORDER = "out_of_order"
    """Answered after a later record of its key."""
    BOTH_OUTCOMES = "both_outcomes"
    """A result and a dead letter."""
    INCOMPLETE = "incomplete"
    """One of a record's several results is absent although a later one is there."""
    MISPLACED = "misplaced"
    """A result or dead letter that stands in another partition than its record's."""
    WRONG_KEY = "wrong_key"
    """A result whose key is not its record's."""
    ALIEN = "alien"
    """A result or dead letter of this agent for a record that the input never had."""
    UNREADABLE = "unreadable"
    """A result or dead letter of this agent that can't be read, or contradicts its headers."""


@dataclass(frozen=True)
class Culprit:
    """One record that is wrong, and where it stands."""

    problem: Problem
    topic: str
    partition: int
    offset: int
    detail: str
    """More about it, for people."""

    def __str__(self) -> str:
        return f"{self.problem}: {self.topic}[{self.partition}] offset {self.offset}: {self.detail}"


@dataclass
class AgentReport:
    """The accounts of one agent's input.

    records = answered + dead_lettered + filtered + in_flight + without_output + removed
    + what is missing or unfinished. Replays are no records of their own: see `replays`.
    """

    agent: str
    input: str
    output: str
    dead_letters: str
    records: int = 0
    """In the input topic, without replays of earlier ones."""
    answered: int = 0
    """With a result, or settled by the result of a replay."""
    dead_lettered: int = 0
    """With a dead letter that no replay has settled."""
    filtered: int = 0
    """Tombstones."""
    in_flight: int = 0
    """Above the group's committed offset and without outcome."""
    without_output: int = 0
    """Committed without any output, where the pipeline file says that this may be."""
    removed: int = 0
    """Without output where retention or compaction has removed output: not to be proven."""
    replays: int = 0
    """Dead letters put back into the input."""
    settled: int = 0
    """Dead-lettered records that a replay has answered; counted as answered."""
    results: int = 0
    """Of this agent, repeats included."""
    letters: int = 0
    """Dead letters of this agent, repeats included."""
    repeats: int = 0
    """Results and dead letters beyond each one's first, and answers by a second replay."""
    past: int = 0
    """Results and dead letters of records that retention removed, or from before `since`."""
    foreign: int = 0
    """Records on the output and dead-letter topics that others wrote."""
    problems: Counter[str] = field(default_factory=Counter)
    """How many records have each `Problem`."""
    culprits: list[Culprit] = field(default_factory=list)
    """The first of each problem."""
    notes: list[str] = field(default_factory=list)
    """What limits the proof, for people."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def blame(self, problem: Problem, topic: str, partition: int, offset: int, detail: str) -> None:
        """Count a problem, and name the culprit if it is among the first."""
        if self.problems[problem] < MAX_CULPRITS:
            self.culprits.append(Culprit(problem, topic, partition, offset, detail))
        self.problems[problem] += 1

    def count(self, problem: Problem, more: int) -> None:
        """Count a problem that many more times, naming none; a negative number is 0."""
        if more > 0:
            self.problems[problem] += more


@dataclass
class Report:
    """The accounts of a pipeline's agents."""

    agents: list[AgentReport]
    """One for each input of each agent."""
    group: str
    seconds: float = 0.0
    num_read: int = 0
    """Records read from all topics."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong with any agent."""
        return all(agent.is_proven for agent in self.agents)

    @property
    def culprits(self) -> list[Culprit]:
        """The first of each agent's problems."""
        return [culprit for agent in self.agents for culprit in agent.culprits]

    def agent(self, name: str, topic: str = "") -> AgentReport:
        """Return the accounts of one agent's input, by default its first."""
        return next(a for a in self.agents if a.agent == name and topic in ("", a.input))
