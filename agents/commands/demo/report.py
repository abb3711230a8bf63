"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.commands.demo.accounts import Account
from agents.commands.demo.rows import AgentRow
from agents.commands.demo.view import milliseconds, number

COLUMNS = (
    "agent", "produced", "in", "answered", "dead-lettered", "filtered", "results",
    "age p50 ms", "age p99 ms", "mean batch",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The accounts of a run, and the files that it left."""

    accounts: list[Account]
    rows: list[AgentRow]
    """Over the whole run, in the order of the accounts."""
    bad_ones: dict[str, list[str]]
    """Input topic -> what was sent there that no agent can process, in words."""
    files: list[Path]
    faults: list[str] = field(default_factory=list)
    """What does not add up; nothing in a good run."""

    @property
    def exit_code(self) -> int:
        """0 only if nothing produced is missing and every account balances."""
        return 1 if self.faults else 0

    def table(self) -> list[list[str]]:
        """Return a row of `COLUMNS` for each agent."""
        return [_cells(*pair) for pair in zip(self.accounts, self.rows, strict=True)]

    def notes(self) -> list[str]:
        """Return what the table has no room for: dead letters by reason, and what was spoiled."""
        spoiled = [
            f"sent to {topic} on purpose: {', '.join(what)}"
            for topic, what in self.bad_ones.items()
            if what
        ]
        return [*spoiled, *(note for account in self.accounts for note in _notes(account))]

    def written(self) -> list[str]:
        """Return a line for each folder that files were left in."""
        folders: dict[Path, list[str]] = {}
        for path in self.files:
            folders.setdefault(path.parent, []).append(path.name)
        return [f"written to {folder}: {', '.join(names)}" for folder, names in folders.items()]

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        pairs = zip(self.accounts, self.rows, strict=True)
        return {
            "balanced": not self.faults,
            "faults": self.faults,
            "agents": {account.agent: _agent_json(account, row) for account, row in pairs},
            "bad_records": self.bad_ones,
            "files": [str(path) for path in self.files],
        }


def _cells(account: Account, row: AgentRow) -> list[str]:
    counts = (
        account.produced, account.taken_in - account.handed_back, account.answered,
        account.num_dead_lettered, account.filtered, sum(account.results.values()),
    )  # fmt: skip
    ages = milliseconds(row.age_p50_seconds), milliseconds(row.age_p99_seconds)
    return [account.agent, *map(str, counts), *ages, number(row.batch_size)]


def _notes(account: Account) -> list[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in account.reasons.items())
    found = [f"{account.agent}: dead letters: {reasons}"] if reasons else []
    unexpected = account.num_dead_lettered + account.filtered - account.num_bad
    if unexpected > 0:
        found.append(
            f"{account.agent}: {unexpected} records more were refused than the "
            f"{account.num_bad} that were spoiled on purpose"
        )
    return found


def _agent_json(account: Account, row: AgentRow) -> dict[str, Any]:
    return {
        "produced": account.produced,
        "spoiled_on_purpose": account.num_bad,
        "in": account.taken_in - account.handed_back,
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
