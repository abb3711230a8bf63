"""Which dead letters are meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.commands.dlq.letters import Letter, dead_letter_topics
from streams.settings import PipelineSettings

_IDENTITY = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]+):)?(?P<partition>\d+):(?P<offset>\d+)")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a letter must be like to be meant; an empty field asks for nothing."""

    agents: Sequence[str] = ()
    reasons: Sequence[str] = ()
    since_ms: int = 0
    """When the record failed, milliseconds since 1970."""
    until_ms: int = 0
    """The same; the moment itself is not in it."""
    identities: frozenset[str] = frozenset()
    """See `Letter.identity`."""

    def has(self, letter: Letter) -> bool:
        """Return whether a letter is meant."""
        told = letter.told
        return (
            (not self.agents or told.agent in self.agents)
            and (not self.reasons or told.reason in self.reasons)
            and told.failed_at_ms >= self.since_ms
            and (not self.until_ms or told.failed_at_ms < self.until_ms)
            and (not self.identities or letter.identity in self.identities)
        )


def identities(
    written: Iterable[str], settings: PipelineSettings, agents: Sequence[str]
) -> frozenset[str]:
    """Return letters' identities as the user wrote them: `TOPIC:PARTITION:OFFSET`.

    Where the agents share one topic it may be left out.

    Raises:
        ValueError: one is written otherwise, or says too little.
    """
    topics = dead_letter_topics(settings, agents)
    found = set()
    for text in written:
        parts = _IDENTITY.fullmatch(text)
        if parts is None:
            raise ValueError(f"{text!r} names no dead letter: expected TOPIC:PARTITION:OFFSET")
        if parts["topic"] is None and len(topics) > 1:
            raise ValueError(f"{text}: of which topic? say --agent, or {topics[0]}:{text}")
        topic = parts["topic"] or topics[0]
        if topic not in topics:
            raise ValueError(f"{text}: no agent's dead letters are on {topic}")
        found.add(f"{topic}:{int(parts['partition'])}:{int(parts['offset'])}")
    return frozenset(found)
