from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation import Skipped
from models.recommendation.drifting_tastes import Shop, interactions
from models.recommendation.evaluate import compare, evaluate_on, judge, lists_by_popularity
from models.recommendation.implicit_als import ImplicitAls
from schemas import Interaction
from tests.models.recommendation.test_recommender import two_camps


def test_a_list_is_judged_by_the_users_next_interaction() -> None:
    acts = zip("aabab", "12345", strict=True)
    log = [Interaction(source_id=user, item=item, action="view") for user, item in acts]
    lists = [["2", "x"], ["y", "4"], [], [], []]
    # a: 2 at place 1, 4 at place 2; b: nothing; firsts are not judged.
    hits, ndcg = judge(log, lists, range(5))
    assert hits == pytest.approx(2 / 3)
    assert ndcg == pytest.approx((1 + 1 / np.log2(3)) / 3)


def test_no_list_holds_what_its_user_has_had() -> None:
    log = two_camps(300)
    seen: dict[str, set[str]] = {}
    for event, given in zip(log, lists_by_popularity(log), strict=True):
        had = seen.setdefault(event.source_id, set())
        had.add(event.item)
        assert not had & set(given)


def test_als_tells_two_kinds_of_users_apart() -> None:
    rng = np.random.default_rng(1)
    histories = [(2 * rng.integers(0, 20, 15) + user % 2).tolist() for user in range(60)]
    als = ImplicitAls(dimensions=8, regularization=1.0)
    als.fit(histories, 40)
    scores = als.scores([0, 2, 4])
    assert set(np.argsort(-scores)[:15] % 2) == {0}


def test_models_follow_tastes_that_drift() -> None:
    """Above popularity before and after the change; the bounds are far below what is measured."""
    shop = Shop(users=60, genres=6, items_per_genre=30, num_interactions=3000)
    log = list(interactions(shop))
    measures = compare(log, {"shop": range(600, 3000)}, 1, with_als=False)
    found = {(m.model, m.metric): m.value for m in measures}
    hits = {model: value for (model, metric), value in found.items() if "hit" in metric}
    for model in ("recommender", "item_cooccurrence", "online_matrix_factorization"):
        assert hits[model] > 1.5 * hits["popularity"] > 0, hits


def test_the_simulated_shop_is_the_same_each_time_and_changes_at_the_middle() -> None:
    shop = Shop(num_interactions=400)
    assert list(interactions(shop)) == list(interactions(shop))
    assert list(interactions(shop)) != list(interactions(Shop(num_interactions=400, seed=2)))


def test_without_movielens_the_figures_are_skipped_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.recommendation.evaluate.SHOP_SEEDS", ())
    monkeypatch.setattr("models.recommendation.evaluate.find_movielens", lambda folder: None)
    (row,) = evaluate_on(tmp_path)
    assert isinstance(row, Skipped)
    assert "recbole" in row.dataset
