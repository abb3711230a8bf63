"""What the view shows of each agent: the difference between two looks at its metrics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agents.commands.demo.quantiles import quantile
from agents.commands.demo.scraping import Histogram, Scrape
from streams.settings import AgentSettings

#: Rates and quantiles are those of the last so many seconds.
WINDOW_SECONDS = 5.0
_STAGES = "penstock_stage_duration_seconds"


@dataclass(frozen=True)
class AgentRow:
    """One agent at work; None: nothing to measure yet."""

    agent: str
    in_per_second: float = 0.0
    out_per_second: float = 0.0
    """Results, over all its result topics."""
    batch_size: float | None = None
    """Mean, events in a model call."""
    queue_seconds: float | None = None
    """Mean, from the arrival of a batch's oldest event to its model call."""
    model_seconds: float | None = None
    """Mean, in a model call."""
    age_p50_seconds: float | None = None
    age_p99_seconds: float | None = None
    lag: int = 0
    """Records behind the ends of its input's partitions."""
    num_dead_letters: int = 0
    """Since the start."""


class Window:
    """The looks of the last seconds."""

    def __init__(self) -> None:
        self._looks: deque[Scrape] = deque()

    def add(self, look: Scrape) -> None:
        """Add a look and drop those that are too old."""
        self._looks.append(look)
        while len(self._looks) > 2 and look.seconds - self._looks[1].seconds >= WINDOW_SECONDS:
            self._looks.popleft()

    def row(self, name: str, agent: AgentSettings) -> AgentRow:
        """Return an agent's row."""
        if not self._looks:
            return AgentRow(name)
        now, then = self._looks[-1], self._looks[0]
        elapsed = max(now.seconds - then.seconds, 1e-9)

        def rate(metric: str) -> float:
            return (now.sum(metric, agent=name) - then.sum(metric, agent=name)) / elapsed

        def recent(metric: str, **labels: str) -> Histogram:
            return now.histogram(metric, agent=name, **labels).since(
                then.histogram(metric, agent=name, **labels)
            )

        ages = recent("penstock_event_age_seconds")
        return AgentRow(
            agent=name,
            in_per_second=rate("penstock_records_in_total"),
            out_per_second=rate("penstock_results_total"),
            batch_size=recent("penstock_batch_size").mean,
            queue_seconds=recent("penstock_queue_wait_seconds").mean,
            model_seconds=recent(_STAGES, stage="predict").mean,
            age_p50_seconds=quantile(ages.bounds, ages.cumulative, 0.5),
            age_p99_seconds=quantile(ages.bounds, ages.cumulative, 0.99),
            lag=int(now.sum("penstock_consumer_lag_records", topic=agent.inputs[0])),
            num_dead_letters=int(now.sum("penstock_dead_letters_total", agent=name)),
        )


def whole_run(name: str, agent: AgentSettings, last: Scrape) -> AgentRow:
    """Return an agent's row over everything it has done; rates are not told."""
    window = Window()
    window.add(Scrape())
    window.add(last)
    return window.row(name, agent)
