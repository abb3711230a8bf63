"""Everything that publishes during a run: a feeder an agent, and the bad records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agents.commands.demo.accounts import Account, account_of
from agents.commands.demo.feeding import Feeder
from agents.commands.demo.inputs import Inputs
from agents.commands.demo.listening import Recorder
from agents.commands.demo.pipeline import AGENT_OF
from agents.commands.demo.scraping import Scrape
from agents.commands.demo.spoiling import Spoiler
from schemas import Event
from streams.settings import PipelineSettings

_JOIN_SECONDS = 40.0


class Production:
    """The producers of a run; made and started by `produce`."""

    def __init__(
        self,
        inputs: Inputs,
        settings: PipelineSettings,
        run_id: str,
        seconds: float,
        recorders: Sequence[Recorder],
    ) -> None:
        def note(event: Event) -> None:
            for recorder in recorders:
                recorder.sent(event)

        self._settings = settings
        agents = {kind: settings.agents[AGENT_OF[kind]] for kind in inputs.by_kind}
        self._feeders = {
            AGENT_OF[kind]: Feeder(fed, agents[kind], settings.kafka, run_id, note)
            for kind, fed in inputs.by_kind.items()
        }
        feeds = [(fed, agents[kind]) for kind, fed in inputs.by_kind.items()]
        self._spoiler = Spoiler(feeds, settings.kafka, seconds)

    def start(self) -> None:
        """Begin to publish."""
        for thread in (*self._feeders.values(), self._spoiler):
            thread.start()

    def stop(self) -> None:
        """Publish no more, and wait for the broker's acknowledgements."""
        threads: list[Feeder | Spoiler] = [*self._feeders.values(), self._spoiler]
        for thread in threads:
            thread.stop()
        for thread in threads:
            if thread.is_alive():
                thread.join(_JOIN_SECONDS)

    def saw(self, look: Scrape) -> None:
        """Learn how far the agents are, so as not to run ahead of them."""
        for name, feeder in self._feeders.items():
            feeder.num_finished = int(look.sum("penstock_records_total", agent=name))

    def accounts(self, look: Scrape) -> list[Account]:
        """Return what became of each agent's records by its worker's metrics."""
        return [
            account_of(name, *self._produced(name, feeder), look)
            for name, feeder in self._feeders.items()
        ]

    def bad_ones(self) -> dict[str, list[str]]:
        """Return what was sent to each input topic that no agent can process, in words."""
        return {topic: spoiled.what for topic, spoiled in self._spoiler.spoiled.items()}

    def faults(self) -> Iterator[str]:
        """Yield what went wrong with the publishing itself."""
        for name, feeder in self._feeders.items():
            published = feeder.published
            if feeder.failure:
                yield f"{name}: its source failed: {feeder.failure}"
            if published.num_failed:
                yield f"{name}: {published.num_failed} events failed: {published.first_failure}"
            if not published.is_settled:
                yield f"{name}: the broker did not acknowledge everything that was sent"

    def _produced(self, name: str, feeder: Feeder) -> tuple[int, int]:
        num_bad = self._spoiler.spoiled[self._settings.agents[name].inputs[0]].num_delivered
        return feeder.published.num_delivered + num_bad, num_bad


@contextmanager
def produce(production: Production) -> Iterator[Production]:
    """Publish for the length of a `with` block."""
    production.start()
    try:
        yield production
    finally:
        production.stop()
