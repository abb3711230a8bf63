"""Is the worker alive, and is it ready? Decided by facts gathered as it works, never by asking.

*Ready*: it holds partitions, every model is warm, and the broker answers and takes results.
*Live*: whatever it waits for may still come. A worker is no longer live when its event loop does
not turn, when a model call hangs, or when an agent has records to work on and none gets finished
for `liveness_timeout_seconds`. A broker that is away makes it unready and never dead: to start it
again would not bring the broker back.

The event loop looks at the agents twice a second; the server's threads read what it found.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from mode import Service

from streams.transport.broker_contact import BrokerContact

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
#: The event loop is never blocked by design (invariant 5): this long is no honest step.
LOOP_SECONDS = 30.0
#: A broker that has not answered for this long is away. Fetches are answered twice a second,
#: heartbeats every three seconds; `heartbeat.interval.ms` may be set longer.
BROKER_SECONDS = 10.0
#: Results that wait longer than this for the broker are said to wait.
_DELIVERY_SECONDS = 10.0
#: A client that is waiting for a broker asks again after at most a request's timeout (30 s, 40 s)
#: and a back-off; one that has not asked for longer has given up, and nobody waits for the broker.
_ASKING_SECONDS = 90.0


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
    """One agent at one moment."""

    is_warm: bool
    """Whether every copy of its model is loaded."""
    num_unfinished: int
    """Records taken in and not finished."""
    num_done: int
    """Records finished or handed back since the start."""
    delivery_seconds: float
    """How long its oldest output has been waiting for the broker, 0 if none does."""
    call_seconds: float
    """How long its oldest model call has been under way, 0 if there is none."""


class WatchedAgent(Protocol):
    """What health looks at: an `Inference`, or a stand-in."""

    agent: str

    @property
    def topics(self) -> Sequence[str]:
        """What it reads."""
        ...

    @property
    def call_limit_seconds(self) -> float | None:
        """How long a model call may take before it hangs; None: any time."""
        ...

    def facts(self) -> AgentFacts:
        """Return how it stands now."""
        ...


class WatchedIntake(Protocol):
    """What the worker holds."""

    num_held: int
    """Partitions."""

    def has_waiting(self, topics: Sequence[str]) -> bool:
        """Whether records of any of these topics wait to be fetched."""
        ...


@dataclass(slots=True)
class _Seen:
    moved: float
    num_done: int = 0


class Health(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """The worker's own judgement of itself; a service, so that it lives in the event loop."""

    def __init__(
        self,
        intake: WatchedIntake,
        liveness_timeout_seconds: float,
        broker_seconds: float = BROKER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        """Watch nothing yet.

        Args:
            intake: what the worker holds.
            liveness_timeout_seconds: how long an agent with work may finish nothing.
            broker_seconds: after how long without an answer the broker counts as away.
            clock: monotonic, seconds.
            kwargs: of the service.
        """
        super().__init__(**kwargs)
        self.consumer, self.producer = BrokerContact(clock), BrokerContact(clock)
        self.has_given_up = False
        """Whether the worker, as it stops, no longer waits for the broker."""
        self.on_hang: Callable[[str], Awaitable[None]] | None = None
        """What to do, once, about a model call that hangs: end the worker."""
        self._intake = intake
        self._timeout = liveness_timeout_seconds
        self._broker_seconds = broker_seconds
        self._clock = clock
        self._agents: Sequence[WatchedAgent] = ()
        self._seen: dict[str, _Seen] = {}
        self._turned: float | None = None
        self._is_stopping = False
        self._stuck: list[str] = []
        self._hanging: list[str] = []
        self._away_since: float | None = None

    def watch(self, agents: Sequence[WatchedAgent]) -> None:
        """Look after these agents from now on."""
        self._agents = agents

    @property
    def is_broker_away(self) -> bool:
        """Whether the broker does not answer.

        While the group shares out partitions anew a healthy broker keeps us waiting for an answer.
        """
        # A client that has stopped asking waits for no broker: it is stuck.
        asking = [c for c in (self.consumer, self.producer) if c.idle_seconds() < _ASKING_SECONDS]
        if any(client.fails(self._broker_seconds) for client in asking):
            return True
        silent = self.consumer.silent_seconds()
        is_expected = self._intake.num_held > 0 and self.consumer in asking
        return silent is not None and silent > self._broker_seconds and is_expected

    def live(self) -> ProbeResult:
        """Return whether to leave the worker running; called from any thread, waits for nothing."""
        reasons = [*self._hanging, *self._stuck]
        turned = self._turned
        still = 0.0 if turned is None or self._is_stopping else self._clock() - turned
        if still > LOOP_SECONDS:
            reasons.append(f"the event loop has not turned for {still:.0f} s")
        facts = {"event_loop_seconds": round(still, 1), "is_stopping": self._is_stopping}
        return ProbeResult.of(reasons, dict(facts))

    def ready(self) -> ProbeResult:
        """Return whether the worker does its work; called from any thread, waits for nothing."""
        facts = {agent.agent: agent.facts() for agent in self._agents}
        silent = self.consumer.silent_seconds()
        reasons = [
            *(["the worker is stopping"] if self._is_stopping else []),
            *(f"agent {name}: its model is not loaded" for name, f in facts.items()
              if not f.is_warm),
            *([] if self._intake.num_held else ["no partition is assigned to this worker"]),
            *self._broker_reasons(silent, facts),
            *self.live().reasons,
        ]  # fmt: skip
        return ProbeResult.of(
            reasons,
            {
                "partitions": self._intake.num_held,
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
        for name, found in facts.items():
            if found.delivery_seconds > _DELIVERY_SECONDS:
                why = f" ({self.producer.last_error})" if self.producer.last_error else ""
                reasons.append(
                    f"agent {name}: the broker has not acknowledged results for "
                    f"{found.delivery_seconds:.0f} s{why}"
                )
        return reasons

    async def on_stop(self) -> None:
        """From now on the worker is not ready, and nothing is expected of its agents."""
        self.stopping()

    def stopping(self) -> None:
        """Note that the worker is about to end in order."""
        self._is_stopping = True

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Look at everything once, on the event loop."""
        now = self._turned = self._clock()
        self._say_if_away(now)
        stuck, hanging = [], []
        for agent in self._agents:
            facts = agent.facts()
            seconds = self._still_seconds(agent, facts, now)
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
            # Never taken back: the worker ends.
            self._hanging = hanging
            if self.on_hang is not None:
                await self.on_hang(hanging[0])

    def _still_seconds(self, agent: WatchedAgent, facts: AgentFacts, now: float) -> float:
        """Return for how long an agent that could have moved has not."""
        seen = self._seen.setdefault(agent.agent, _Seen(now))
        has_work = facts.num_unfinished > 0 or self._intake.has_waiting(agent.topics)
        if (
            not has_work
            or facts.num_done != seen.num_done
            or self._is_waiting_for_broker(facts)
            or self._is_stopping
        ):
            seen.moved, seen.num_done = now, facts.num_done
        return now - seen.moved

    def _is_waiting_for_broker(self, facts: AgentFacts) -> bool:
        if not self._intake.num_held or self.is_broker_away:
            return True
        return facts.delivery_seconds > 0 and self.producer.idle_seconds() < _ASKING_SECONDS

    def _say_if_away(self, now: float) -> None:
        """Say once that the broker is away, and once that it is back."""
        if self.is_broker_away and self._away_since is None:
            self._away_since = now
            why = self.consumer.last_error or self.producer.last_error or "no answer"
            logger.warning(
                "the broker has not answered for %.0f s (%s): waiting for it; nothing is lost, "
                "/ready is false meanwhile", self._broker_seconds, why,
            )  # fmt: skip
        elif not self.is_broker_away and self._away_since is not None:
            away = now - self._away_since + self._broker_seconds
            self._away_since = None
            logger.warning("the broker answers again, after about %.0f s", away)
