"""Decide whether the worker is live and ready, from facts gathered as it works.

*Ready*: it holds partitions, every model is loaded and its state restored, and the broker answers
and accepts results.
*Live*: a restart would not help. A worker is not live when its event loop does not turn, when a
model call hangs, or when an agent has records to work on and finishes none for
`liveness_timeout_seconds`. While the broker does not answer, the worker is not ready but stays
live: a restart would not bring the broker back.

The event loop checks the agents twice a second; the HTTP server's threads read the result.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec
from mode import Service

from streams.assignment import AssignedPartitions
from streams.health.clock_steps import ClockSteps
from streams.transport.broker_contact import BrokerContact

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 0.5
#: The event loop is never blocked by design (invariant 5); no step takes this long.
LOOP_SECONDS = 30.0
#: A broker that has not answered for this long is away. Fetches are answered twice a second and
#: heartbeats every three seconds; `heartbeat.interval.ms` may make that longer.
BROKER_SECONDS = 10.0
#: Results unacknowledged for longer than this make the worker unready.
_DELIVERY_SECONDS = 10.0
#: A client that waits for a broker sends a request at least once per request timeout (30 s, 40 s)
#: and back-off; one that has sent none for longer is stuck, and does not wait for the broker.
_ASKING_SECONDS = 90.0

OnHang: TypeAlias = Callable[[str], Awaitable[None]]


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a probe."""

    ok: bool
    reasons: list[str] = []
    """Why not ok: one sentence each; empty if ok."""
    facts: dict[str, float | int | bool | str | None] = {}
    """The measurements behind the answer."""

    @classmethod
    def of(
        cls, reasons: list[str], facts: dict[str, float | int | bool | str | None]
    ) -> ProbeResult:
        """Return a result that is ok if there are no reasons against it."""
        return cls(ok=not reasons, reasons=reasons, facts=facts)


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """The state of one agent at one moment."""

    is_warm: bool
    """Whether every copy of its model is loaded."""
    num_unfinished: int
    """Records taken in and not finished."""
    num_done: int
    """Records finished or handed back since the start."""
    delivery_seconds: float
    """How long its oldest output has waited for acknowledgement; 0 if there is none."""
    call_seconds: float
    """How long its oldest running model call has taken; 0 if there is none."""
    waiting_for: str = ""
    """What its records wait for beside the broker, in words: a schema registry that is away."""


class WatchedAgent(Protocol):
    """The part of `Inference` that health checks; `Inference` imports this module."""

    agent: str

    @property
    def topics(self) -> Sequence[str]:
        """The input topics."""
        ...

    @property
    def call_limit_seconds(self) -> float | None:
        """The longest time of a model call; None: no limit."""
        ...

    def facts(self) -> AgentFacts:
        """Return the current state."""
        ...


@dataclass(slots=True)
class _Progress:
    since: float
    """When the agent last made progress, or had nothing to do."""
    num_done: int = 0


class Health(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """Decides on liveness and readiness; a service, since its checks run on the event loop."""

    def __init__(
        self,
        assigned: AssignedPartitions,
        liveness_timeout_seconds: float,
        broker_seconds: float = BROKER_SECONDS,
        *,
        on_hang: OnHang,
        on_clock_step: Callable[[], None] = lambda: None,
        login_problem: Callable[[], str] = lambda: "",
        takeover_problem: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        """Check no agent yet.

        Args:
            assigned: the partitions that the worker holds.
            liveness_timeout_seconds: how long an agent with work may finish nothing.
            broker_seconds: the time without an answer after which the broker counts as away.
            on_hang: called once, with the reason, when a model call hangs: end the worker.
            on_clock_step: called when the system clock was set.
            login_problem: returns why the worker can't log in at the broker; "" if it can.
            takeover_problem: returns why partitions are held and can't be read yet; "": they can.
            clock: monotonic, seconds.
            kwargs: of the service.
        """
        super().__init__(**kwargs)
        self.consumer, self.producer = BrokerContact(clock), BrokerContact(clock)
        self.absent_topics: frozenset[str] = frozenset()
        """Topics of the pipeline that do not exist."""
        self.has_given_up = False
        """Whether the stopping worker no longer waits for the broker."""
        self._on_hang = on_hang
        self._login_problem, self._takeover_problem = login_problem, takeover_problem
        self._assigned = assigned
        self._timeout = liveness_timeout_seconds
        self._broker_seconds = broker_seconds
        self._clock = clock
        self._agents: Sequence[WatchedAgent] = ()
        self._progress: dict[str, _Progress] = {}
        self._clock_steps = ClockSteps(on_clock_step)
        self._last_turn: float | None = None
        self._is_stopping = False
        self._stuck: list[str] = []
        self._hanging: list[str] = []
        self._away_since: float | None = None

    def watch(self, agents: Sequence[WatchedAgent]) -> None:
        """Check these agents from now on."""
        self._agents = agents

    @property
    def is_broker_away(self) -> bool:
        """Whether the broker does not answer.

        During a rebalance, a healthy broker delays its answer: silence then does not count.
        """
        # A client that sends no requests does not wait for a broker: it is stuck.
        asking = [c for c in (self.consumer, self.producer) if c.idle_seconds() < _ASKING_SECONDS]
        if any(client.fails(self._broker_seconds) for client in asking):
            return True
        silent = self.consumer.silent_seconds()
        is_expected = self._assigned.num_held > 0 and self.consumer in asking
        return silent is not None and silent > self._broker_seconds and is_expected

    def live(self) -> ProbeResult:
        """Return whether a restart is not needed; thread-safe, never blocks."""
        reasons = [*self._hanging, *self._stuck]
        last_turn = self._last_turn
        seconds = 0.0 if last_turn is None or self._is_stopping else self._clock() - last_turn
        if seconds > LOOP_SECONDS:
            reasons.append(f"the event loop has not turned for {seconds:.0f} s")
        facts = {"event_loop_seconds": round(seconds, 1), "is_stopping": self._is_stopping}
        return ProbeResult.of(reasons, dict(facts))

    def ready(self) -> ProbeResult:
        """Return whether the worker can process records; thread-safe, never blocks."""
        facts = {agent.agent: agent.facts() for agent in self._agents}
        silent = self.consumer.silent_seconds()
        unrestored = self._assigned.num_unrestored()
        reasons = [
            *(["the worker is stopping"] if self._is_stopping else []),
            *(f"agent {name}: its model is not loaded" for name, f in facts.items()
              if not f.is_warm),
            *([] if self._assigned.num_held else ["no partition is assigned to this worker"]),
            *([f"the state of {unrestored} partitions is not restored yet"] if unrestored else []),
            *(f"topic {topic} does not exist" for topic in sorted(self.absent_topics)),
            *([f"no login token: {problem}"] if (problem := self._login_problem()) else []),
            *([problem] if (problem := self._takeover_problem()) else []),
            *self._broker_reasons(silent, facts),
            *(f"agent {name}: {f.waiting_for}" for name, f in facts.items() if f.waiting_for),
            *self.live().reasons,
        ]  # fmt: skip
        return ProbeResult.of(
            reasons,
            {
                "partitions": self._assigned.num_held,
                "partitions_not_restored": unrestored,
                "records_in_flight": sum(f.num_unfinished for f in facts.values()),
                "broker_silent_seconds": None if silent is None else round(silent, 1),
                "delivery_seconds": round(
                    max((f.delivery_seconds for f in facts.values()), default=0.0), 1
                ),
            },
        )

    def _broker_reasons(self, silent: float | None, facts: dict[str, AgentFacts]) -> list[str]:
        reasons = []
        if silent is None:
            reasons.append("the broker has not answered yet")
        elif silent > self._broker_seconds:
            why = f" ({self.consumer.last_error})" if self.consumer.last_error else ""
            reasons.append(f"the broker has not answered for {silent:.0f} s{why}")
        for name, agent in facts.items():
            if agent.delivery_seconds > _DELIVERY_SECONDS:
                why = f" ({self.producer.last_error})" if self.producer.last_error else ""
                reasons.append(
                    f"agent {name}: the broker has not acknowledged results for "
                    f"{agent.delivery_seconds:.0f} s{why}"
                )
        return reasons

    def is_waiting_for_others(self) -> bool:
        """Whether every agent with records in work waits for something that is away.

        Then nothing will be finished soon, and a worker that gives up partitions need not wait.
        """
        facts = [found for agent in self._agents if (found := agent.facts()).num_unfinished]
        return bool(facts) and all(f.waiting_for and not f.delivery_seconds for f in facts)

    async def on_stop(self) -> None:
        """Be unready from now on; agents need not make progress."""
        self.stopping()

    def stopping(self) -> None:
        """Note that the worker is stopping."""
        self._is_stopping = True

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.check()
            self._clock_steps.look()
            await asyncio.sleep(_CHECK_SECONDS)

    async def check(self) -> None:
        """Check the broker and every agent once; runs on the event loop."""
        now = self._last_turn = self._clock()
        self._log_outage(now)
        stuck, hanging = [], []
        for agent in self._agents:
            facts = agent.facts()
            seconds = self._stuck_seconds(agent, facts, now)
            if seconds > self._timeout:
                stuck.append(
                    f"agent {agent.agent} has records to work on and has finished none "
                    f"for {seconds:.0f} s"
                )
            limit = agent.call_limit_seconds
            if limit is not None and facts.call_seconds > limit:
                hanging.append(
                    f"agent {agent.agent}: a model call has not returned for "
                    f"{facts.call_seconds:.0f} s (predict_timeout_seconds is {limit:g})"
                )
        self._stuck = stuck
        if hanging and not self._hanging:
            # Permanent: the worker ends.
            self._hanging = hanging
            await self._on_hang(hanging[0])

    def _stuck_seconds(self, agent: WatchedAgent, facts: AgentFacts, now: float) -> float:
        """Return for how long an agent with work has made no progress."""
        progress = self._progress.setdefault(agent.agent, _Progress(now))
        has_work = facts.num_unfinished > 0 or self._assigned.has_waiting(agent.topics)
        if (
            not has_work
            or facts.num_done != progress.num_done
            or facts.waiting_for
            or self._is_waiting_for_broker(facts)
            or self._is_stopping
        ):
            progress.since, progress.num_done = now, facts.num_done
        return now - progress.since

    def _is_waiting_for_broker(self, facts: AgentFacts) -> bool:
        if not self._assigned.num_held or self.is_broker_away:
            return True
        return facts.delivery_seconds > 0 and self.producer.idle_seconds() < _ASKING_SECONDS

    def _log_outage(self, now: float) -> None:
        """Log once that the broker does not answer, and once that it answers again."""
        if self.is_broker_away and self._away_since is None:
            self._away_since = now
            why = self._login_problem() or self.consumer.last_error or self.producer.last_error
            logger.warning(
                "the broker has not answered for %.0f s (%s): waiting for it; nothing is lost, "
                "/ready fails meanwhile", self._broker_seconds, why or "no answer",
            )  # fmt: skip
        elif not self.is_broker_away and self._away_since is not None:
            away = now - self._away_since + self._broker_seconds
            self._away_since = None
            logger.warning("the broker answers again, after about %.0f s", away)
