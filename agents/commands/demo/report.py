"""Account for every record of a run, and report the result.

The accounts come from the engine's metrics, not from `penstock audit`. That reads the topics again,
but the embedded broker keeps only 5 MB of a partition, and one camera sends about 20 MB a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.commands.demo.metrics import AgentRow, Scrape
from agents.commands.demo.views import milliseconds, number

COLUMNS = (
    "agent", "produced", "in", "answered", "dead-lettered", "filtered", "results",
    "age p50 ms", "age p99 ms", "mean batch",
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """How one agent's records finished."""

    agent: str
    produced: int
    """Records of this run that the broker acknowledged, bad ones included."""
    taken_in: int
    answered: int
    filtered: int
    num_dead_lettered: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Number of dead letters by reason."""
    in_flight: int = 0
    handed_back: int = 0
    """Given up in a rebalance and then taken in again."""
    results: dict[str, int] = field(default_factory=dict)
    """Results that the broker acknowledged, by topic."""
    num_bad: int = 0
    """How many of `produced` are bad on purpose."""

    @property
    def num_finished(self) -> int:
        """Records that are answered, dead-lettered or filtered."""
        return self.answered + self.num_dead_lettered + self.filtered

    @property
    def num_in(self) -> int:
        """Records taken in, each counted once."""
        return self.taken_in - self.handed_back

    @property
    def is_settled(self) -> bool:
        """Whether every record that was produced is finished."""
        return self.num_finished >= self.produced and self.in_flight == 0

    def differences(self) -> list[str]:
        """Describe the counts that don't add up; empty if all do."""
        differences = []
        if self.num_in != self.produced:
            differences.append(
                f"{self.agent}: {self.produced} records were produced but {self.num_in} taken in"
            )
        if self.num_in != self.num_finished:
            differences.append(
                f"{self.agent}: {self.num_in} records were taken in but {self.answered} answered "
                f"+ {self.num_dead_lettered} dead-lettered + {self.filtered} filtered = "
                f"{self.num_finished}"
            )
        if self.num_dead_lettered != sum(self.reasons.values()):
            differences.append(
                f"{self.agent}: {self.num_dead_lettered} records were dead-lettered but the "
                f"reasons account for {sum(self.reasons.values())}"
            )
        return differences


def account_of(agent: str, produced: int, num_bad: int, scrape: Scrape) -> Account:
    """Return an agent's account by the engine's metrics."""

    def count(name: str, **labels: str) -> int:
        return int(scrape.sum(name, agent=agent, **labels))

    def counts(name: str, label: str) -> dict[str, int]:
        values = scrape.by_label(name, label, agent=agent)
        return {key: int(value) for key, value in sorted(values.items()) if value}

    return Account(
        agent=agent,
        produced=produced,
        num_bad=num_bad,
        taken_in=count("penstock_records_in_total"),
        answered=count("penstock_records_total", outcome="answered"),
        filtered=count("penstock_records_total", outcome="filtered"),
        num_dead_lettered=count("penstock_records_total", outcome="dead_lettered"),
        reasons=counts("penstock_dead_letters_total", "reason"),
        in_flight=count("penstock_records_in_flight"),
        handed_back=count("penstock_records_handed_back_total"),
        results=counts("penstock_results_total", "topic"),
    )


@dataclass(frozen=True)
class Report:
    """The accounts of a run, and the files that it wrote."""

    accounts: list[Account]
    rows: list[AgentRow]
    """Each agent's numbers over the whole run, in the order of the accounts."""
    bad_records: dict[str, list[str]]
    """Input topic -> descriptions of the bad records that were sent there on purpose."""
    files: list[Path]
    faults: list[str] = field(default_factory=list)
    """What went wrong or doesn't add up; empty after a good run."""

    @property
    def exit_code(self) -> int:
        """0 only if every record is accounted for and nothing else went wrong."""
        return 1 if self.faults else 0

    def table(self) -> list[list[str]]:
        """Return a row of `COLUMNS` for each agent."""
        return [_cells(*pair) for pair in zip(self.accounts, self.rows, strict=True)]

    def notes(self) -> list[str]:
        """Return lines below the table: the bad records, and the dead letters by reason."""
        sent = [
            f"bad records sent to {topic} on purpose: {', '.join(descriptions)}"
            for topic, descriptions in self.bad_records.items()
            if descriptions
        ]
        return [*sent, *(note for account in self.accounts for note in _notes(account))]

    def written(self) -> list[str]:
        """Return a line for each folder that the run wrote files to."""
        folders: dict[Path, list[str]] = {}
        for path in self.files:
            folders.setdefault(path.parent, []).append(path.name)
        return [f"written to {folder}: {', '.join(names)}" for folder, names in folders.items()]

    def to_json(self) -> dict[str, Any]:
        """Return the report for scripts."""
        pairs = zip(self.accounts, self.rows, strict=True)
        return {
            "balanced": not self.faults,
            "faults": self.faults,
            "agents": {account.agent: _agent_json(account, row) for account, row in pairs},
            "bad_records": self.bad_records,
            "files": [str(path) for path in self.files],
        }


def _cells(account: Account, row: AgentRow) -> list[str]:
    counts = (
        account.produced, account.num_in, account.answered, account.num_dead_lettered,
        account.filtered, sum(account.results.values()),
    )  # fmt: skip
    ages = milliseconds(row.age_p50_seconds), milliseconds(row.age_p99_seconds)
    return [account.agent, *map(str, counts), *ages, number(row.batch_size)]


def _notes(account: Account) -> list[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in account.reasons.items())
    notes = [f"{account.agent}: dead letters: {reasons}"] if reasons else []
    unexpected = account.num_dead_lettered + account.filtered - account.num_bad
    if unexpected > 0:
        notes.append(
            f"{account.agent}: {unexpected} more records were refused than the "
            f"{account.num_bad} that are bad on purpose"
        )
    return notes


def _agent_json(account: Account, row: AgentRow) -> dict[str, Any]:
    return {
        "produced": account.produced,
        "spoiled_on_purpose": account.num_bad,
        "in": account.num_in,
        "answered": account.answered,
        "dead_lettered": account.num_dead_lettered,
        "dead_letters_by_reason": account.reasons,
        "filtered": account.filtered,
        "results_by_topic": account.results,
        "mean_batch_size": row.batch_size,
        "mean_queue_seconds": row.queue_seconds,
        "mean_model_seconds": row.model_seconds,
        "event_age_p50_seconds": row.age_p50_seconds,
        "event_age_p99_seconds": row.age_p99_seconds,
    }
