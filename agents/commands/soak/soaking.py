"""A soak: random faults, one after the other, for as long as one likes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.commands.soak.arena import Arena, Setup
from agents.commands.soak.faults import FAULTS
from agents.commands.soak.report import FaultRow

#: An audit on the way, after so many faults.
_CHECK_EVERY = 10


class Soak:
    """One soak.

    Args:
        setup: of the arena.
        faults: names of `FAULTS` to choose from.
        seed: of all choices and moments.
        say: told what happens, a line a fault.
        should_stop: asked between faults.
    """

    def __init__(
        self,
        setup: Setup,
        faults: Sequence[str],
        seed: int,
        say: Callable[[str], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._setup, self._faults = setup, list(faults)
        self._random = random.Random(seed)
        self._say, self._should_stop = say, should_stop
        self.counts = dict.fromkeys(self._faults, 0)
        """How often each fault has happened."""

    def run(self, folder: Path, seconds: float, num_kills: int) -> FaultRow:
        """Run until the time is up and so many workers were killed, then judge.

        Args:
            folder: for the pipeline file and the workers' logs.
            seconds: at least so long.
            num_kills: at least so many, if `kill` is among the faults.

        Raises:
            BrokerError: the broker can't be used, or results stopped coming.
        """
        arena = Arena(self._setup, folder)
        try:
            arena.begin()
            self._soak(arena, time.monotonic() + seconds, num_kills)
            self._say("the load ends; what is under way is finished and everything audited")
            return arena.finish(self._told(), sum(self.counts.values()))
        finally:
            arena.close()

    def _soak(self, arena: Arena, until: float, num_kills: int) -> None:
        started = time.monotonic()
        while not self._should_stop() and (
            time.monotonic() < until or self.counts.get("kill", num_kills) < num_kills
        ):
            name = self._random.choice(self._faults)
            FAULTS[name].act(arena, self._random)
            arena.await_progress()
            self.counts[name] += 1
            done = sum(self.counts.values())
            self._say(
                f"{time.monotonic() - started:6.0f} s  {done:4}  {FAULTS[name].words}; "
                f"{arena.load.num_delivered:,} in, {arena.watch.num_out.total():,} out"
            )
            if done % _CHECK_EVERY == 0:
                self._check(arena)

    def _check(self, arena: Arena) -> None:
        """Audit while everything runs: what is in flight is no fault."""
        report = arena.audit(is_drained=False)
        self._say(
            f"audit: {report.records:,} records, {report.repeats:,} repeats, "
            f"{sum(report.problems.values())} problems"
        )
        for culprit in report.culprits:
            self._say(f"  {culprit}")

    def _told(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
