"""One model's part of the shared tables: its keys, their rows, its clock and what is popular."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.anomaly.slots import grown
from models.recommendation.outbox import Outbox
from models.recommendation.recent_keys import RecentKeys
from models.recommendation.tables import NO_ROW, Ints, Items, Users

#: The list of popular items is made anew after so many interactions, at first sooner.
_POPULAR_EVERY = 64
#: Rows that are allocated at once.
_BLOCK = 64
#: Half-lives until counts are divided: float32 has 24 bits.
_HALF_LIVES = 20


class Clock:
    """The unit of counts: it doubles every half-life, so that old counts lose weight."""

    def __init__(self, half_life: float) -> None:
        self.half_life = half_life
        self.start = 0
        """The interaction at which the unit was 1."""

    def unit(self, step: int) -> float:
        """Return what 1 is at an interaction."""
        return float(2.0 ** ((step - self.start) / self.half_life))

    def is_over(self, step: int) -> bool:
        """Return whether the unit is large, so that the clock is to begin anew."""
        return step - self.start > _HALF_LIVES * self.half_life

    def restart(self, step: int) -> float:
        """Begin anew if the unit is large; return what all counts are to be divided by."""
        if not self.is_over(step):
            return 1.0
        unit = self.unit(step)
        self.start = step
        return unit


class Keyed:
    """Keys with rows of a table, which grow with them."""

    def __init__(
        self,
        keys: RecentKeys,
        table: Items | Users,
        on_rows: Callable[[Ints, Ints], None] = lambda slots, rows: None,
    ) -> None:
        """Make it without keys; `on_rows` is called with new slots and their rows."""
        self.keys, self.table, self._on_rows = keys, table, on_rows
        self.names: list[str] = []
        """The key of each slot; "" for a free one."""
        self._rows: list[int] = []
        self._row_array: Ints = np.zeros(0, np.int64)

    @property
    def rows(self) -> Ints:
        """(num_slots,) the row of each slot."""
        return self._row_array[: self.keys.num_slots]

    def rows_of(self, slots: Ints) -> Ints:
        """Return the rows of slots (n,)."""
        return self._row_array[slots]

    def find(self, key: str) -> int:
        """Return the row of a key, `NO_ROW` if it is not known."""
        slot = self.keys.find(key)
        return NO_ROW if slot < 0 else self._rows[slot]

    def claim(self, key: str) -> tuple[int, bool, list[int]]:
        """Return a key's row, whether it is new, and the rows that were cleared for it."""
        slot = self.keys.see(key)
        if slot >= 0:
            return self._rows[slot], False, []
        freed = self.keys.make_room()
        lost = [self._rows[each] for each in freed]
        if lost:
            self.table.clear(np.array(lost, np.int64))
            self._on_rows(np.array(freed, np.int64), np.array(lost, np.int64))
        slot = self.keys.add(key)
        self._cover()
        self.names[slot] = key
        return self._rows[slot], True, lost

    def _cover(self) -> None:
        covered = len(self._rows)
        missing = self.keys.num_slots - covered
        if missing > 0:
            # Some at once: an array's assignment takes the same time for one row and for many.
            missing = max(missing, min(_BLOCK, covered, self.keys.max_keys - covered))
            fresh = self.table.allocate(missing)
            self._rows += fresh
            self.names += [""] * missing
            if len(self._rows) > len(self._row_array):
                self._row_array = grown(self._row_array, 2 * len(self._rows))
            self._row_array[covered : len(self._rows)] = fresh
            self._on_rows(np.arange(covered, len(self._rows)), np.array(fresh, np.int64))

    def adopt(self, keys: list[str], slots: list[int], num_slots: int) -> None:
        """Replace all keys by saved ones; the rows are empty."""
        self.keys.adopt(keys, slots, num_slots)
        self._cover()
        for key, slot in zip(keys, slots, strict=True):
            self.names[slot] = key

    def release(self) -> None:
        """Give the rows back to the table."""
        self.table.release(self._rows)
        self._rows, self.names = [], []


class Partition:
    """The items and users of one model."""

    def __init__(
        self,
        items: Keyed,
        users: Keyed,
        clock: Clock,
        popular_clock: Clock,
        *,
        num_popular: int,
        is_blocked: Callable[[str], bool],
        outbox: Outbox | None = None,
        on_new_item: Callable[[str, int], None] | None = None,
    ) -> None:
        self.outbox = outbox
        """What other partitions are to learn; None if nothing is shared."""
        self._on_new_item = on_new_item
        self.items, self.users = items, users
        self.clock, self.popular_clock = clock, popular_clock
        self._num_popular = num_popular
        self.is_blocked = is_blocked
        self.step = 0
        """Interactions that were learned."""
        self.popular: Ints = np.zeros(0, np.int64)
        """Slots of the most popular items, by number."""
        self.popular_total = 1.0
        """The sum of all items' popularity when that list was made, in units."""
        self.listed_at = 0

    @property
    def item_table(self) -> Items:
        """The table of items."""
        assert isinstance(self.items.table, Items)
        return self.items.table

    @property
    def user_table(self) -> Users:
        """The table of users."""
        assert isinstance(self.users.table, Users)
        return self.users.table

    def claim_item(self, item: str) -> int:
        """Return the item's row; a new one if it is not known."""
        row, is_new, lost = self.items.claim(item)
        if lost:
            self._forget_items(lost)
        if is_new:
            table, slot = self.item_table, self.items.keys.find(item)
            table.slots[row] = slot
            table.is_blocked[row] = self.is_blocked(item)
            if self._on_new_item is not None:
                self._on_new_item(item, row)
        return row

    def claim_user(self, user: str) -> int:
        """Return the user's row; a new one if the user is not known."""
        return self.users.claim(user)[0]

    def _forget_items(self, lost: list[int]) -> None:
        """Remove what refers to items that are gone."""
        table, users = self.item_table, self.user_table
        is_lost = np.zeros(len(table.counts) + 1, np.bool_)  # the last one stands for NO_ROW
        is_lost[lost] = True
        rows = self.items.rows
        neighbors = table.neighbors[rows]
        gone = is_lost[neighbors]
        neighbors[gone] = NO_ROW
        table.neighbors[rows] = neighbors
        together = table.together[rows]
        together[gone] = 0
        table.together[rows] = together
        history = users.history[self.users.rows]
        history[is_lost[history]] = NO_ROW
        users.history[self.users.rows] = history
        self.popular = self.popular[~is_lost[rows[self.popular]]]
        if self.outbox is not None:
            self.outbox.forget(np.flatnonzero(is_lost[rows]))

    def after_step(self) -> None:
        """Keep the clocks and the list of popular items up to date after learning."""
        if not (self.clock.is_over(self.step) or self.popular_clock.is_over(self.step)):
            self._list_if_due()
            return
        table, rows = self.item_table, self.items.rows
        divisor = self.clock.restart(self.step)
        if divisor != 1.0:
            table.counts[rows] /= divisor
            table.together[rows] /= np.float32(divisor)
        divisor = self.popular_clock.restart(self.step)
        if divisor != 1.0:
            table.popularity[rows] /= divisor
            self.popular_total /= divisor
        self._list_if_due()

    def _list_if_due(self) -> None:
        if self.step - self.listed_at >= min(_POPULAR_EVERY, 1 + self.step // 16):
            self._list_popular()

    def _list_popular(self) -> None:
        table, rows = self.item_table, self.items.rows
        popularity = np.where(table.is_hidden(rows), 0.0, table.popularity[rows])
        count = min(self._num_popular, len(rows))
        best = np.argpartition(-popularity, count - 1)[:count] if count else rows[:0]
        self.popular = np.sort(best[popularity[best] > 0])
        self.popular_total = max(float(table.popularity[rows].sum()), 1e-12)
        self.listed_at = self.step
