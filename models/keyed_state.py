"""State that is separate for each source: taken apart and put together by source_id.

When partitions are added to an input, most sources move to another partition. A model whose state
is separate for each `source_id` can move with them: `penstock state rekey` takes each source's part
out of one partition's snapshot and adds it to another's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError

Ints = NDArray[np.int64]


@runtime_checkable
class KeyedState(Protocol):
    """Methods of an `OnlineModel` whose state is separate for each source_id.

    They work on snapshots, by the options of the instance, and don't change the instance. All raise
    `ModelError` for a snapshot that `restore` would refuse.
    """

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return each source_id that a snapshot knows, with the number of values it has learned."""
        ...

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot of a model that knows only these of its sources."""
        ...

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return the snapshot of a model that knows the sources of all these, which differ.

        Above the model's limit of keys, those that were seen least recently are left out.

        Raises:
            ModelError: two of the snapshots know the same source.
        """
        ...


def merge_last_seen(parts: Sequence[tuple[Ints, int]]) -> tuple[Ints, int]:
    """Put the ages of several models' keys on one clock.

    Each model counts its own learning steps: what counts is how many steps ago a key was seen.

    Args:
        parts: of each model, the step that saw each key last, and the number of its last step.

    Returns:
        The same of a model with all keys.
    """
    step = max((each for _, each in parts), default=0)
    moved = [last_seen + (step - own) for last_seen, own in parts]
    return np.concatenate([np.zeros(0, np.int64), *moved]), step


def most_recent(last_seen: Ints, limit: int) -> Ints:
    """Return the ascending rows of the `limit` keys that were seen last."""
    order = np.argsort(-last_seen, kind="stable")
    return np.sort(order[:limit])


def require_distinct(name: str, keys: Sequence[tuple[str, ...]]) -> None:
    """Check that no key occurs twice.

    Raises:
        ModelError: one does.
    """
    if len(set(keys)) != len(keys):
        raise ModelError(f"{name}: two of the snapshots to merge know the same source")
