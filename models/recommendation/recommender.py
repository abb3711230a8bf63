"""The recommender: what to show each user next, learned from the stream of interactions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import translate
from functools import partial
from re import compile as compile_pattern
from typing import ClassVar, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from models.base import OnlineModel
from models.options import check_option
from models.recommendation.cooccurrence import WINDOW, history_weights
from models.recommendation.factorization import set_first_vectors, set_named_vectors
from models.recommendation.inbox import Inbox, learn_summary
from models.recommendation.keyed_snapshots import merge_states, select_users
from models.recommendation.learning import Step, learn_step
from models.recommendation.outbox import Outbox, note_published, summary_of
from models.recommendation.partition import Clock, Keyed, Partition
from models.recommendation.ranking import MOST_LANES, SHORT_LIST, Question, rank
from models.recommendation.recent_keys import RecentKeys
from models.recommendation.saved_state import SavedState, pack_state, unpack_state
from models.recommendation.saving import load_partition, save_partition
from models.recommendation.tables import NO_ROW, WAYS, Items, Users
from models.snapshots import Option
from schemas import (
    Interaction,
    ItemSummary,
    ItemSummaryRecord,
    Recommendation,
    RecommendedItem,
)
from schemas.recommendation import Strategy

Ints = NDArray[np.int64]
#: What the agent's input holds.
Record: TypeAlias = Interaction | ItemSummaryRecord

_STATE_VERSION = 1


class Recommender(OnlineModel[Record, Recommendation | ItemSummary]):
    """Top items for each user: items that occur together, factors, and what is popular.

    Candidates are what other users had together with this user's latest items, and popular items.
    They are scored by how often they occurred together, times e to the product of the vectors of
    matrix factorization; a user of whom nothing is known gets what is popular. The answer to an
    interaction takes its own item into account, and is what to show next; the model learns from it
    only afterwards. An interaction without an item is a request: it is answered and teaches
    nothing. An interaction without a user teaches what is popular.

    With `share_every`, partitions learn items together: each publishes what it has learned of them,
    and learns what the others have published from its own log (`outbox.py`, `inbox.py`). Users stay
    with their partition.

    Memory: at most `max_items` items with `neighbors` neighbors and `dimensions` numbers each, and
    `max_users` users with `history` items and as many numbers (30 MB and 110 MB for each partition
    with the defaults, where so many are known). Items and users that were seen least recently are
    forgotten first, and counted. Sources: `cooccurrence.py`, `factorization.py`.
    """

    name, version = "recommender", "1"
    event_type, result_type = Interaction, Recommendation
    side_types = (ItemSummaryRecord,)

    uses_pairs: ClassVar[bool] = True
    """Whether the model counts which items occur together."""
    uses_factors: ClassVar[bool] = True
    """Whether the model factorizes."""

    def __init__(
        self,
        top_n: int = 10,
        exclude_seen: bool = True,
        requests_only: bool = False,
        action_weights: dict[str, float] | None = None,
        blocked_items: list[str] | None = None,
        remove_action: str = "remove_item",
        restore_action: str = "restore_item",
        history: int = 128,
        neighbors: int = 96,
        dimensions: int = 32,
        half_life_events: float = 100_000.0,
        popularity_half_life_events: float = 10_000.0,
        max_items: int = 32_768,
        max_users: int = 100_000,
        seed: int = 1,
        learn_every: int = 1,
        share_every: int = 0,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            top_n: items in an answer, 1 to 1000; fewer where fewer are known.
            exclude_seen: whether items in the user's history are left out.
            requests_only: answer only events without an item.
            action_weights: action to the weight that multiplies the event's own, 0 to 100; an
                action that is not listed counts 0. None: all count 1.
            blocked_items: patterns (`*` and `?`) of items that are never recommended.
            remove_action: an event with this action takes its item out of the recommendations of
                its partition; it is not answered.
            restore_action: an event with this action takes that back.
            history: latest items remembered of a user, 32 to 4096.
            neighbors: items remembered beside each item, 8 to 1024.
            dimensions: length of the vectors, 1 to 256.
            half_life_events: events of this partition after which what an event taught counts half.
            popularity_half_life_events: the same for what is popular.
            max_items: items remembered in a partition, 256 to 10 million.
            max_users: users remembered in a partition, 256 to 10 million.
            seed: seed of random choices, 0 to 65535.
            learn_every: offsets in a learning step, 1 to `history` - 15, at most 64.
            share_every: interactions after which a partition publishes what it has learned of
                items, 8 to 4000; 0: partitions learn alone.
        """
        self.top_n = check_option("top_n", top_n, 1, 1000)
        self.exclude_seen, self.requests_only = bool(exclude_seen), bool(requests_only)
        self.history = check_option("history", history, 32, 4096)
        self.neighbors = -(-check_option("neighbors", neighbors, WAYS, 1024) // WAYS) * WAYS
        self.dimensions = check_option("dimensions", dimensions, 1, 256)
        self.half_life_events = check_option("half_life_events", half_life_events, 1)
        self.popularity_half_life_events = check_option(
            "popularity_half_life_events", popularity_half_life_events, 1
        )
        self.max_items = check_option("max_items", max_items, 256, 10_000_000)
        self.max_users = check_option("max_users", max_users, 256, 10_000_000)
        self.seed = check_option("seed", seed, 0, 65_535)
        self.learn_every = check_option("learn_every", learn_every, 1, min(history - WINDOW, 64))
        self.share_every = check_option("share_every", share_every, 0, 4000)
        if 0 < share_every < 8:
            raise ValueError(f"option share_every is {share_every}: expected 0, or 8 or more")
        self.action_weights = _checked_weights(action_weights)
        self.remove_action, self.restore_action = remove_action, restore_action
        patterns = "|".join(map(translate, blocked_items or []))
        self._blocked = compile_pattern(patterns).match if patterns else None
        self._tables = self._new_tables()
        self._partition = self._new_partition()
        self._inbox = Inbox()
        self._number: int | None = None
        """The number of the partition, once the engine has told it."""

    def _new_tables(self) -> tuple[Items, Users]:
        dimensions = self.dimensions if self.uses_factors else 0
        neighbors = self.neighbors if self.uses_pairs else 0
        items = Items(neighbors, dimensions, is_shared=self.share_every > 0)
        return items, Users(self.history, dimensions)

    def _new_partition(self) -> Partition:
        items, users = self._tables
        num_popular = self.history + self.top_n + SHORT_LIST
        return Partition(
            Keyed(
                RecentKeys(self.max_items, f"items of {self.name} (max_items)"),
                items,
                partial(set_first_vectors, items, self.seed),
            ),
            Keyed(RecentKeys(self.max_users, f"users of {self.name} (max_users)"), users),
            Clock(self.half_life_events),
            Clock(self.popularity_half_life_events),
            num_popular=num_popular if self.uses_pairs or not self.uses_factors else 2_000,
            is_blocked=lambda item: self._blocked is not None and self._blocked(item) is not None,
            outbox=Outbox(self.share_every) if self.share_every else None,
            on_new_item=partial(set_named_vectors, items, self.seed) if self.share_every else None,
        )

    def note_offsets(self, partition: tuple[str, int], offsets: Sequence[int]) -> None:
        """Note which partition this is: its own summaries come back to it."""
        self._number = partition[1]

    def warm_up(self) -> None:
        """Answer and learn with another instance: NumPy imports some modules on first use."""
        other, batch = type(self)(), [Interaction.example()]
        other.learn_batch(batch)
        other.predict_batch(batch)

    def join(self, other: OnlineModel[Record, Recommendation | ItemSummary]) -> None:
        """Keep items and users in the tables of another instance with the same options.

        Meant for an instance that has learned nothing yet; answers and snapshots do not change.
        """
        assert isinstance(other, Recommender)
        self._tables = other._tables
        self._partition = self._new_partition()

    def close(self) -> None:
        """Give the rows back to the tables."""
        self._partition.items.release()
        self._partition.users.release()

    def predict_batch(self, batch: Sequence[Record]) -> list[Recommendation | None]:
        """Recommend items to the user of each event; changes nothing.

        Args:
            batch: B interactions, and summaries of other partitions.

        Returns:
            B results in input order, None for an event that is not answered: one that removes or
            restores an item, with `requests_only` one that has an item, and a summary.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[Recommender], batches: Sequence[Sequence[Record]]
    ) -> list[list[Recommendation | None]]:
        """Recommend for the events of several joined models at once.

        Args:
            models: M of the same tables, with the same options.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        results: list[list[Recommendation | None]] = [[None] * len(batch) for batch in batches]
        asked = [
            [i for i, event in enumerate(batch) if self._is_answered(event)] for batch in batches
        ]
        for first in range(0, max(map(len, asked), default=0), MOST_LANES):
            now = [
                (m, i, lane)
                for m, indices in enumerate(asked)
                for lane, i in enumerate(indices[first : first + MOST_LANES])
            ]
            events = [cast(Interaction, batches[m][i]) for m, i, _ in now]
            lanes = np.array([lane for _, _, lane in now])
            answers = self._answer([models[m]._partition for m, _, _ in now], events, lanes)
            for (m, i, _), answer in zip(now, answers, strict=True):
                results[m][i] = answer
        return results

    def _is_answered(self, event: Record) -> bool:
        if isinstance(event, ItemSummaryRecord):
            return False
        if event.item and self.requests_only:
            return False
        return event.action not in (self.remove_action, self.restore_action)

    def _answer(
        self, partitions: Sequence[Partition], events: Sequence[Interaction], lanes: Ints
    ) -> list[Recommendation]:
        """Answer events; those of one partition have different lanes."""
        items, _ = self._tables
        question, is_cold = self._question(partitions, events, lanes)
        ranking = rank(items, question)
        fallbacks: list[Strategy] = [
            "factors" if each else "popular" for each in question.by_factors.tolist()
        ]
        # One conversion for all users: each costs as much as that of one user.
        lists = zip(
            partitions,
            items.slots[ranking.rows].tolist(),
            ranking.scores.tolist(),
            ranking.is_together.tolist(),
            np.count_nonzero(ranking.rows != NO_ROW, axis=1).tolist(),
            fallbacks,
            strict=True,
        )
        tops = [_top(partition.items.names, *columns) for partition, *columns in lists]
        return [
            Recommendation(items=top, is_cold=cold)
            for top, cold in zip(tops, is_cold.tolist(), strict=True)
        ]

    def _question(
        self, partitions: Sequence[Partition], events: Sequence[Interaction], lanes: Ints
    ) -> tuple[Question, NDArray[np.bool_]]:
        items, users = self._tables
        pairs = list(zip(partitions, events, strict=True))
        owners = np.array([p.users.find(e.source_id) if e.source_id else NO_ROW for p, e in pairs])
        own = np.array([p.items.find(e.item) if e.item else NO_ROW for p, e in pairs])
        known = owners != NO_ROW
        past = users.before(owners, np.where(known, users.totals[owners], 0), self.history)
        latest = past[:, :WINDOW]
        is_news = (own != NO_ROW) & (own != latest[:, 0])
        latest = np.where(
            is_news[:, None], np.concatenate([own[:, None], latest[:, :-1]], axis=1), latest
        )
        is_cold = (latest == NO_ROW).all(axis=1)
        by_factors = np.zeros(len(pairs), np.bool_)
        if self.uses_factors and not self.uses_pairs:
            is_cold = ~known | (past == NO_ROW).all(axis=1)
            by_factors = ~is_cold
        unit = np.array([p.clock.unit(p.step) for p in partitions])
        weights = np.zeros(latest.shape)
        if self.uses_pairs:
            weights = history_weights(items, latest, unit)
        factors = None
        if self.uses_factors:
            factors = np.where(known[:, None], users.factors[owners], np.float32(0))
        excluded = past if self.exclude_seen else past[:, :0]
        if self.exclude_seen:
            excluded = np.concatenate([past, own[:, None]], axis=1)
        question = Question(
            history=latest,
            weights=weights,
            excluded=excluded,
            popular=_padded([p.items.rows_of(p.popular) for p in partitions]),
            popular_unit=np.array([p.popular_total for p in partitions]),
            factors=factors,
            by_factors=by_factors,
            short_list=SHORT_LIST if self.uses_pairs else 2_000,
            top=self.top_n,
            lanes=lanes,
        )
        return question, is_cold

    def learn_batch(self, batch: Sequence[Record]) -> None:
        """Learn from the interactions of a step, in order, and then from the summaries in it."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[Recommender], batches: Sequence[Sequence[Record]]
    ) -> None:
        """Let several joined models learn at once, each from its own interactions.

        Args:
            models: M distinct ones of this one's tables, with the same options.
            batches: M batches as for `learn_batch`; may be empty.
        """
        # An event that can't be read is found here, before any model has changed.
        steps = [
            [
                (event.source_id, event.item, event.action, self._weight_of(event))
                for event in batch
                if not isinstance(event, ItemSummaryRecord) and event.item
            ]
            for batch in batches
        ]
        for model in models:
            model._forget_published()
        work = [
            Step(model._partition, step) for model, step in zip(models, steps, strict=True) if step
        ]
        if work:
            actions = self.remove_action, self.restore_action
            learn_step(self._tables, work, actions, self.uses_pairs, self.uses_factors, self.seed)
        if self.share_every:
            for model, batch in zip(models, batches, strict=True):
                model._learn_summaries(batch)

    def _learn_summaries(self, batch: Sequence[Record]) -> None:
        for event in batch:
            if isinstance(event, ItemSummaryRecord) and self._inbox.take(
                event, self._number, self._partition
            ):
                learn_summary(self._partition, event, self.uses_pairs)

    def _forget_published(self) -> None:
        """Empty the outbox if the last step completed a summary."""
        outbox = self._partition.outbox
        if outbox is not None and outbox.is_due:
            note_published(outbox, self._tables[0], self._partition.items.rows)

    def update(self) -> ItemSummary | None:
        """Return what other partitions are to learn of items, if enough has come together."""
        partition = self._partition
        if partition.outbox is None or not partition.outbox.is_due:
            return None
        items = partition.items
        return summary_of(partition.outbox, self._tables[0], items.rows, items.names)

    def _weight_of(self, event: Interaction) -> float:
        if self.action_weights is None:
            return event.weight
        return event.weight * self.action_weights.get(event.action, 0.0)

    def take_incidents(self) -> dict[str, int]:
        """Return how many users and items were forgotten since the last call."""
        partition = self._partition
        return {
            "evicted_user": partition.users.keys.take_forgotten(),
            "evicted_item": partition.items.keys.take_forgotten(),
            **self._inbox.take_incidents(),
        }

    def snapshot(self) -> bytes:
        """Return all items and users, and what was learned of them."""
        return self._packed(save_partition(self._partition, self._inbox.heard))

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options. The
                model is then unchanged.
        """
        saved = self._unpacked(state)
        fresh = self._new_partition()
        load_partition(fresh, saved)
        self.close()
        self._partition, self._inbox = fresh, Inbox()
        self._inbox.heard = {} if saved.shared is None else dict(saved.shared.heard)

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many items each user of a snapshot has had."""
        saved = self._unpacked(state)
        return dict(zip(saved.users, saved.totals.tolist(), strict=True))

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its users; it keeps all items."""
        return self._packed(select_users(self._unpacked(state), source_ids))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the users of all; what was learned of items is added up."""
        parts = [self._unpacked(state) for state in states]
        return self._packed(self._merged(parts))

    def _merged(self, parts: Sequence[SavedState]) -> SavedState:
        half_lives = (self.half_life_events, self.popularity_half_life_events)
        return merge_states(self.name, parts, self.max_items, self.max_users, half_lives)

    def _options(self) -> dict[str, Option]:
        names = ("history", "half_life_events", "popularity_half_life_events", "max_items",
                 "max_users", "seed")  # fmt: skip
        options: dict[str, Option] = {name: getattr(self, name) for name in names}
        if self.share_every:
            options["share_every"] = self.share_every
        options["neighbors"] = self.neighbors if self.uses_pairs else 0
        options["dimensions"] = self.dimensions if self.uses_factors else 0
        return options

    def _packed(self, saved: SavedState) -> bytes:
        return pack_state(saved, self.name, _STATE_VERSION, self._options())

    def _unpacked(self, state: bytes) -> SavedState:
        return unpack_state(state, self.name, _STATE_VERSION, self._options())


def _checked_weights(weights: dict[str, float] | None) -> dict[str, float] | None:
    for action, weight in (weights or {}).items():
        check_option(f"action_weights[{action!r}]", weight, 0, 100)
    return weights


def _padded(rows: Sequence[Ints]) -> Ints:
    """Return lists of rows as one array (n, the longest), filled up with `NO_ROW`."""
    if len(rows) == 1:
        return rows[0][None]
    padded = np.full((len(rows), max(map(len, rows))), NO_ROW)
    for line, part in zip(padded, rows, strict=True):
        line[: len(part)] = part
    return padded


def _top(
    names: Sequence[str],
    slots: Sequence[int],
    scores: Sequence[float],
    is_together: Sequence[bool],
    count: int,
    fallback: Strategy,
) -> list[RecommendedItem]:
    """Return the first `count` items of a user."""
    return [
        RecommendedItem(names[slots[i]], scores[i], "co_occurrence" if is_together[i] else fallback)
        for i in range(count)
    ]
