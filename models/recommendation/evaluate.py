"""Judge recommendations in the order of time against popularity and daily implicit ALS.

    python -m models.recommendation.evaluate FOLDER_OF_DATA

Every interaction of a user is compared with the list that the user was given at the interaction
before: the hit rate at 10 is the share of interactions whose item is in it, NDCG at 10 counts a hit
at place p as 1 / log2(p + 1). Nothing is left out but each user's first interaction. A list never
holds what its user has had: the online models exclude what they remember, the others everything.

Constants of the models and of ALS were chosen on the first 30 % of MovieLens 100K. The figures are
of the other 70 %, with the first 30 % learned as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import OnlineModel
from models.evaluation import Measure, Row, answer_stream, print_rows, without_data
from models.recommendation.drifting_tastes import Shop, interactions
from models.recommendation.evaluate_shared import (
    NUM_PARTITIONS,
    SHARE_EVERY,
    lists_of_partitions,
)
from models.recommendation.implicit_als import ImplicitAls
from models.recommendation.movielens import find_movielens, load_movielens
from models.registry import make_model, model_class
from schemas import Interaction, Recommendation

Floats = NDArray[np.float64]

TASK = "recommendation"
MODELS = ("recommender", "item_cooccurrence", "online_matrix_factorization", "popular_items")
#: The model that is also rated spread over partitions.
SHARED_MODEL = "recommender"
TOP = 10
#: The part of MovieLens 100K on which constants were chosen.
SEEN_SHARE = 0.3
SHOP_SEEDS = (11, 12, 13)
_DAY_MS = 86_400_000

#: The items for the user of each interaction, best first: what to show next.
Lists = list[list[str]]


def lists_of_model(name: str, events: Sequence[Interaction]) -> Lists:
    """Return what a registered model with default options answers."""
    model = make_model(model_class(name), {"top_n": TOP})
    assert isinstance(model, OnlineModel)
    answers: list[Any] = answer_stream(model, events)
    return [
        [item.item for item in answer.items] if isinstance(answer, Recommendation) else []
        for answer in answers
    ]


class Catalog:
    """Numbers of users and items, and what each user has had so far."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}
        self.names: list[str] = []
        self.histories: dict[str, list[int]] = {}
        self.counts = np.zeros(1)

    def add(self, event: Interaction) -> list[int]:
        """Count an interaction; return its user's history with it."""
        number = self.items.setdefault(event.item, len(self.items))
        if number == len(self.names):
            self.names.append(event.item)
            if number == len(self.counts):
                self.counts = np.concatenate([self.counts, np.zeros(number)])
        self.counts[number] += 1
        history = self.histories.setdefault(event.source_id, [])
        history.append(number)
        return history

    def best(self, scores: Floats, history: list[int]) -> list[str]:
        """Return the names of the best unseen items; items without a score are left out."""
        scores = scores.copy()
        scores[[item for item in history if item < len(scores)]] = -np.inf
        best = np.argsort(-scores, kind="stable")[:TOP]
        return [self.names[i] for i in best.tolist() if scores[i] > -np.inf]


def lists_by_popularity(events: Sequence[Interaction]) -> Lists:
    """Return the items with most interactions so far, after each interaction."""
    catalog = Catalog()
    lists = []
    for event in events:
        history = catalog.add(event)
        lists.append(catalog.best(catalog.counts[: len(catalog.names)], history))
    return lists


def lists_by_daily_als(events: Sequence[Interaction]) -> Lists:
    """Return ALS's best items: items fitted at the end of each day, the user at each interaction.

    Popular items before the first fit. Fitting the user anew each time is in favor of ALS: with
    users fitted daily as well, it knows nothing of those who come for the first time.
    """
    catalog, als = Catalog(), ImplicitAls()
    day, lists = 0, []
    for event in events:
        if event.event_time_ms // _DAY_MS != day and catalog.histories:
            als.fit(list(catalog.histories.values()), len(catalog.names))
        day = event.event_time_ms // _DAY_MS
        history = catalog.add(event)
        has_fit = len(als.items) > 0
        scores = als.scores(history) if has_fit else catalog.counts[: len(catalog.names)]
        lists.append(catalog.best(scores, history))
    return lists


def judge(events: Sequence[Interaction], lists: Lists, judged_part: range) -> tuple[float, float]:
    """Return the hit rate and NDCG of a part of the interactions."""
    shown: dict[str, list[str]] = {}
    gains, judged = [], 0
    for number, (event, following) in enumerate(zip(events, lists, strict=True)):
        given = shown.get(event.source_id)
        if given is not None and number in judged_part:
            judged += 1
            if event.item in given:
                gains.append(1 / np.log2(given.index(event.item) + 2))
        shown[event.source_id] = following
    return len(gains) / max(judged, 1), float(sum(gains)) / max(judged, 1)


def compare(
    events: Sequence[Interaction], parts: dict[str, range], seed: int | None, with_als: bool
) -> Iterator[Measure]:
    """Yield the figures of all models, and of what they are compared with, for parts by name."""
    makers: dict[str, Callable[[Sequence[Interaction]], Lists]] = {
        "popularity": lists_by_popularity
    }
    if with_als:
        makers["implicit ALS, items refitted daily"] = lists_by_daily_als
        makers |= {
            f"{SHARED_MODEL} ({NUM_PARTITIONS} partitions, {how})": partial(
                lists_of_partitions, SHARED_MODEL, share_every=share_every
            )
            for how, share_every in (("items shared", SHARE_EVERY), ("each alone", 0))
        }
    rivals = {name: make(events) for name, make in makers.items()}
    for name, lists in ({m: lists_of_model(m, events) for m in MODELS} | rivals).items():
        for dataset, part in parts.items():
            hits, ndcg = judge(events, lists, part)
            for metric, value in ((f"hit rate at {TOP}", hits), (f"NDCG at {TOP}", ndcg)):
                yield Measure(
                    task=TASK, dataset=dataset, model=name, metric=metric, value=value, seed=seed
                )


def evaluate_on(data_dir: Path) -> list[Row]:
    """Return the figures for MovieLens, if it is there, and for simulated shops."""
    rows: list[Row] = []
    path = find_movielens(data_dir)
    if path is None:
        rows += without_data(TASK, "MovieLens 100K (pip install --no-deps recbole==1.2.1)")
    else:
        events = load_movielens(path)
        unseen = range(int(SEEN_SHARE * len(events)), len(events))
        rows += compare(events, {"MovieLens 100K, last 70 %": unseen}, None, with_als=True)
    for seed in SHOP_SEEDS:
        shop = Shop(seed=seed)
        half, end = shop.num_interactions // 2, shop.num_interactions
        # Of each half, the first part is there to learn from.
        parts = {
            "drifting tastes, before the change": range(half // 2, half),
            "drifting tastes, after the change": range(half + half // 2, end),
        }
        rows += compare(list(interactions(shop)), parts, seed, with_als=False)
    return rows


if __name__ == "__main__":
    print_rows(evaluate_on(Path(sys.argv[1])))
