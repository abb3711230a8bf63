"""The report of an audit: counts for each agent, and what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

#: This many records with each problem are named; the rest are only counted.
MAX_CULPRITS = 5


class Problem(StrEnum):
    """What can be wrong with one record."""

    MISSING = "missing"
    """Committed, but without a result or dead letter."""
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


@dataclass
class AgentReport:
    """The counts for one input of one agent.

    records = answered + dead_lettered + filtered + in_flight + without_output + removed
    + missing + unfinished. Replays are not counted as records: see `replays`.
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
    removed: int = 0
    """Without output, where output may have been removed, so that nothing can be proven."""
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
    foreign: int = 0
    """Records on the output and dead-letter topics that other programs wrote."""
    problems: Counter[str] = field(default_factory=Counter)
    """How many records have each `Problem`."""
    culprits: list[Culprit] = field(default_factory=list)
    """The first records with each problem."""
    notes: list[str] = field(default_factory=list)
    """What limits this proof, for people."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

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
    def is_proven(self) -> bool:
        """Whether nothing is wrong with any agent."""
        return all(agent.is_proven for agent in self.agents)

    @property
    def culprits(self) -> list[Culprit]:
        """The first records with each problem of each agent."""
        return [culprit for agent in self.agents for culprit in agent.culprits]

    def agent(self, name: str, topic: str = "") -> AgentReport:
        """Return the report of one agent's input, by default its first."""
        return next(a for a in self.agents if a.agent == name and topic in ("", a.input))
