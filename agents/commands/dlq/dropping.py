"""Giving dead letters up: marked, so that no replay takes them any more."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from agents.commands.dlq.letters import State
from agents.commands.dlq.replaying import (
    BATCH_SIZE,
    OnProgress,
    Replayed,
    read_selected,
    settlement,
)
from agents.commands.dlq.selection import Selection
from agents.commands.dlq.sending import Sender
from streams.settings import PipelineSettings


def drop(
    settings: PipelineSettings,
    selection: Selection,
    *,
    limit: int | None = None,
    is_dry: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda _: None,
) -> int:
    """Mark open letters as dropped; return how many.

    Args:
        settings: of the pipeline.
        selection: which letters.
        limit: how many at most; None: all.
        is_dry: mark nothing.
        stop: asked before each batch; true ends it.
        on_progress: told how many were dropped so far.

    Raises:
        BrokerError: the broker can't be reached or read, or refuses the marks.
    """
    letters = itertools.islice(read_selected(settings, selection, Replayed()), limit)
    sender = None if is_dry else Sender(settings.kafka)
    num_dropped = 0
    while not stop() and (batch := list(itertools.islice(letters, BATCH_SIZE))):
        if sender is not None:
            sender.settle([settlement(letter, State.DROPPED) for letter in batch])
        num_dropped += len(batch)
        on_progress(num_dropped)
    return num_dropped
