"""Rows for keys: a limited number, and those seen least recently make room for new ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from models.base import ModelError

logger = logging.getLogger(__name__)

#: A full table forgets this share of its keys at once, so that a new key is rarely expensive.
_FORGOTTEN_SHARE = 16


class RecentKeys:
    """Maps keys to slots 0, 1 ... in the order of their last sighting.

    The same sightings give the same slots: a free slot with the lowest number is taken first.
    """

    def __init__(self, max_keys: int, kind: str) -> None:
        """Make a table without keys.

        Args:
            max_keys: limit of keys, at least twice the keys of a learning step.
            kind: what the keys are, for a warning: `users of recommender`.
        """
        self.max_keys, self._kind = max_keys, kind
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        """Unused slots below `num_slots`, descending."""
        self.num_slots = 0
        """Slots that were ever used."""
        self.num_forgotten = 0
        """Keys that were forgotten since this was set to 0."""

    def __len__(self) -> int:
        return len(self._slots)

    def find(self, key: str) -> int:
        """Return a key's slot; -1: it has none."""
        return self._slots.get(key, -1)

    def see(self, key: str) -> int:
        """Return the slot of a key that has one, now the one seen most recently; else -1."""
        slot = self._slots.pop(key, -1)
        if slot >= 0:
            self._slots[key] = slot
        return slot

    def add(self, key: str) -> int:
        """Return a slot for a new key, for which there is room (`make_room`)."""
        if self._free:
            slot = self._free.pop()
        else:
            slot, self.num_slots = self.num_slots, self.num_slots + 1
        self._slots[key] = slot
        return slot

    def make_room(self) -> list[int]:
        """Forget keys if the table is full; return their slots, which are to be cleared."""
        if len(self._slots) < self.max_keys:
            return []
        if not self.num_forgotten:
            logger.warning(
                "a partition has more than %d %s: those seen least recently are forgotten "
                "(counted in penstock_model_incidents_total)",
                self.max_keys,
                self._kind,
            )
        oldest = list(self._slots)[: max(self.max_keys // _FORGOTTEN_SHARE, 1)]
        freed = [self._slots.pop(key) for key in oldest]
        self._free = sorted([*self._free, *freed], reverse=True)
        self.num_forgotten += len(freed)
        return freed

    def take_forgotten(self) -> int:
        """Return how many keys were forgotten since the last call."""
        number, self.num_forgotten = self.num_forgotten, 0
        return number

    @property
    def keys(self) -> list[str]:
        """The keys, the one seen least recently first."""
        return list(self._slots)

    @property
    def slots(self) -> list[int]:
        """The slots of `keys`."""
        return list(self._slots.values())

    def adopt(self, keys: Sequence[str], slots: Sequence[int], num_slots: int) -> None:
        """Replace all keys by saved ones.

        Raises:
            ModelError: they don't fit together.
        """
        used = set(slots)
        if not (
            len(keys) == len(slots) == len(used) == len(set(keys)) <= self.max_keys
            and len(used) <= num_slots <= self.max_keys
            and all(0 <= slot < num_slots for slot in used)
        ):
            raise ModelError(f"the {self._kind} in a snapshot do not fit: it is damaged")
        self._slots = dict(zip(keys, slots, strict=True))
        self._free = [slot for slot in range(num_slots - 1, -1, -1) if slot not in used]
        self.num_slots = num_slots
