"""Whether every record that was produced has come to an end, and to which one (invariant 2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.commands.demo.scraping import Scrape


@dataclass(frozen=True)
class Account:
    """What became of one agent's records."""

    agent: str
    produced: int
    """Records of this run that the broker acknowledged, bad ones included."""
    taken_in: int
    answered: int
    filtered: int
    num_dead_lettered: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Dead letters by reason."""
    in_flight: int = 0
    handed_back: int = 0
    """By a rebalance, and then taken in again."""
    results: dict[str, int] = field(default_factory=dict)
    """By topic: acknowledged by the broker."""
    num_bad: int = 0
    """Of `produced`: spoiled on purpose."""

    @property
    def num_finished(self) -> int:
        """Answered, dead-lettered or filtered."""
        return self.answered + self.num_dead_lettered + self.filtered

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.num_finished >= self.produced and self.in_flight == 0

    def differences(self) -> list[str]:
        """Return what does not add up, in words; nothing if all does."""
        own = self.taken_in - self.handed_back
        found = []
        if own != self.produced:
            found.append(f"{self.agent}: {self.produced} were produced but {own} taken in")
        if own != self.num_finished:
            found.append(
                f"{self.agent}: {own} were taken in but {self.answered} answered + "
                f"{self.num_dead_lettered} dead-lettered + {self.filtered} filtered make "
                f"{self.num_finished}"
            )
        if self.num_dead_lettered != sum(self.reasons.values()):
            found.append(
                f"{self.agent}: {self.num_dead_lettered} were dead-lettered but the reasons "
                f"account for {sum(self.reasons.values())}"
            )
        return found


def account_of(agent: str, produced: int, num_bad: int, scrape: Scrape) -> Account:
    """Return an agent's account as its worker counts it."""

    def count(name: str, **labels: str) -> int:
        return int(scrape.sum(name, agent=agent, **labels))

    def counts(name: str, label: str) -> dict[str, int]:
        found = scrape.by_label(name, label, agent=agent)
        return {key: int(value) for key, value in sorted(found.items()) if value}

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
