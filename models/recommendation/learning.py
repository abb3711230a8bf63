"""One learning step of several models: their interactions in, the shared tables moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from models.recommendation.cooccurrence import WINDOW, count_items, learn_pairs
from models.recommendation.factorization import learn_factors, sampled_slots
from models.recommendation.partition import Partition
from models.recommendation.tables import NO_ROW, Floats, Ints, Items, Users

#: (user, item, action, weight); the user may be "", the item may not.
Act = tuple[str, str, str, float]


@dataclass
class Step:
    """The interactions of one model's step."""

    partition: Partition
    acts: Sequence[Act]


@dataclass
class _Columns:
    """The interactions of all models as columns."""

    owners: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    """The number of the item in its user's history; of no meaning without a user."""
    units: list[float] = field(default_factory=list)
    popular_units: list[float] = field(default_factory=list)
    partitions: list[Partition] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    """The number of the interaction in its model."""
    num_slots: list[int] = field(default_factory=list)
    """Of the model's items at that time."""


def learn_step(
    tables: tuple[Items, Users],
    steps: Sequence[Step],
    actions: tuple[str, str],
    uses_pairs: bool,
    uses_factors: bool,
    seed: int,
) -> None:
    """Learn from the interactions of several models.

    Args:
        tables: of all of them.
        steps: one of each model.
        actions: what removes an item and what restores it.
        uses_pairs: whether to count items that occur together.
        uses_factors: whether to factorize.
        seed: of the sampled items.
    """
    columns = _Columns()
    for step in steps:
        _claim(columns, step, tables[1], actions)
    if columns.items:
        _learn(tables, columns, uses_pairs, seed if uses_factors else None)
    for step in steps:
        step.partition.after_step()


def _claim(columns: _Columns, step: Step, users: Users, actions: tuple[str, str]) -> None:
    """Find the rows of a step's users and items; remove and restore items."""
    partition = step.partition
    clock, popular_clock = partition.clock, partition.popular_clock
    latest: dict[int, tuple[int, int]] = {}
    for user, item, action, weight in step.acts:
        row = partition.claim_item(item)
        if action in actions:
            partition.item_table.is_removed[row] = action == actions[0]
            if partition.outbox is not None:
                slot = int(partition.item_table.slots[row])
                partition.outbox.changes[slot] = action == actions[0]
            continue
        owner = partition.claim_user(user) if user else NO_ROW
        at = 0
        if owner != NO_ROW:
            at, last = latest.get(owner) or users.last(owner)
            if row == last:  # a repeat says nothing about what follows what
                owner = NO_ROW
            else:
                latest[owner] = (at + 1, row)
        columns.owners.append(owner)
        columns.items.append(row)
        columns.weights.append(weight)
        columns.at.append(at)
        columns.units.append(clock.unit(partition.step))
        columns.popular_units.append(popular_clock.unit(partition.step))
        columns.partitions.append(partition)
        columns.steps.append(partition.step)
        columns.num_slots.append(partition.items.keys.num_slots)
        partition.step += 1


def _learn(
    tables: tuple[Items, Users], columns: _Columns, uses_pairs: bool, seed: int | None
) -> None:
    items, users = tables
    owners, rows = np.array(columns.owners), np.array(columns.items)
    weights, at = np.array(columns.weights), np.array(columns.at)
    units, has_user = np.array(columns.units), owners != NO_ROW
    users.append(owners[has_user], rows[has_user], at[has_user])
    before = users.before(owners, at, WINDOW)
    _note_shared(items, columns, np.concatenate([rows[:, None], before], axis=1), weights)
    if uses_pairs:
        learn_pairs(items, rows, before, weights * units)
        count_items(items, rows, weights * units, units)
    np.add.at(items.popularity, rows, weights * np.array(columns.popular_units))
    if seed is not None:
        taught = np.flatnonzero(has_user & (weights > 0))
        if len(taught):
            others = _sampled(items, columns, rows, seed)[taught]
            learn_factors(items, users, rows[taught], owners[taught], others, weights[taught])


def _note_shared(items: Items, columns: _Columns, windows: Ints, weights: Floats) -> None:
    """Note each interaction (n, 1 + WINDOW) for the other partitions, where they are to know."""
    if columns.partitions[0].outbox is None:
        return
    slots = np.where(windows == NO_ROW, NO_ROW, items.slots[windows]).astype(np.int32)
    first = 0
    for partition, own in groupby(columns.partitions):
        stop = first + sum(1 for _ in own)
        assert partition.outbox is not None
        partition.outbox.add(slots[first:stop], weights[first:stop])
        first = stop


def _sampled(items: Items, columns: _Columns, rows: Ints, seed: int) -> Ints:
    """Return the rows (n, NEGATIVES) of items to push away; the item itself for a free row."""
    slots = sampled_slots(np.array(columns.steps), np.array(columns.num_slots), seed)
    pairs = zip(columns.partitions, slots, strict=True)
    sampled = np.stack([partition.items.rows_of(line) for partition, line in pairs])
    return np.where(items.slots[sampled] == NO_ROW, rows[:, None], sampled)
