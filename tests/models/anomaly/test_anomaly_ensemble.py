"""The ensemble: what it says against its members, joint calls, snapshots, options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.anomaly.anomaly_ensemble import AnomalyEnsemble
from models.base import ModelError, OnlineModel
from models.evaluation import answer_stream, one_result
from models.registry import make_model, model_class
from schemas import AnomalyScore, SensorReading

_QUICK = ("robust_zscore", {"name": "robust_zscore", "options": {"window": 64}})


def make(*members: Any, **options: Any) -> AnomalyEnsemble:
    model = make_model(AnomalyEnsemble, {"members": list(members or _QUICK), **options})
    assert isinstance(model, AnomalyEnsemble)
    model.load("cpu")
    return model


def waves(count: int, seed: int = 0, source: str = "s") -> list[SensorReading]:
    rng = np.random.default_rng(seed)
    values = 20 + 3 * np.sin(np.arange(count) / 9) + rng.normal(0, 1, count)
    return [
        SensorReading(
            source_id=source,
            event_time_ms=1_700_000_000_000 + 300_000 * i,
            values={"flow": value, "noise": float(rng.normal())},
        )
        for i, value in enumerate(values.tolist())
    ]


def spike(source: str = "s") -> SensorReading:
    return SensorReading(source_id=source, values={"flow": 90.0, "noise": 0.0})


def answers(model: OnlineModel[Any, Any], log: list[SensorReading]) -> list[AnomalyScore]:
    return [one_result(answer) for answer in answer_stream(model, log)]


@pytest.mark.parametrize("combine", ["mean", "max", "harmonic", "fisher"])
def test_what_all_members_see_is_an_anomaly_and_noise_has_few(combine: str) -> None:
    model = make("seasonal_likelihood", *_QUICK, combine=combine)
    scored = answers(model, waves(3000))
    assert sum(one.is_anomaly for one in scored) <= 12
    (answer,) = model.predict_batch([spike()])
    assert answer.probability is not None
    assert answer.probability <= 1e-3
    assert answer.channel == "flow"
    assert set(answer.members) == {"seasonal_likelihood", "robust_zscore_1", "robust_zscore_2"}
    assert sum(answer.members.values()) == pytest.approx(1.0)
    assert list(answer.members.values()) == sorted(answer.members.values(), reverse=True)
    assert answer.expected == pytest.approx(20, abs=3)


def test_an_ensemble_of_one_ranks_like_its_member() -> None:
    log = waves(2000)
    member = make_model(model_class("robust_zscore"), {"learn_every": 8})
    assert isinstance(member, OnlineModel)
    alone = np.array([one.probability or 1.0 for one in answers(member, log)])
    both = np.array([one.probability or 1.0 for one in answers(make("robust_zscore"), log)])
    known = slice(600, None)
    assert spearmanr(alone[known], both[known]).statistic > 0.99


def test_a_source_that_no_member_knows_is_not_scored() -> None:
    model = make("seasonal_likelihood", "robust_zscore")
    answers(model, waves(2000))
    one_channel = SensorReading(source_id="s", values={"flow": 90.0})
    unseen = SensorReading(source_id="other", values={"flow": 90.0})
    known, unknown = model.predict_batch([one_channel, unseen])
    assert known.is_scored
    assert not unknown.is_scored


def test_a_restored_ensemble_continues_like_the_saved_one_also_when_joined() -> None:
    log = waves(900)
    steady, stopped, neighbor, resumed = (make("seasonal_likelihood", *_QUICK) for _ in range(4))
    whole = answers(steady, log)
    answers(stopped, log[:480])
    answers(neighbor, waves(300, 7, "t"))
    resumed.join(neighbor)
    kept = neighbor.snapshot()
    resumed.restore(stopped.snapshot())
    assert resumed.snapshot() == stopped.snapshot()
    assert answers(resumed, log[480:]) == whole[480:]
    assert resumed.snapshot() == steady.snapshot()
    assert neighbor.snapshot() == kept


def test_learning_without_answering_first_gives_the_same_state() -> None:
    answered, replayed, log = make(), make(), waves(400)
    answers(answered, log)
    for start in range(0, len(log), replayed.learn_every):
        replayed.learn_batch(log[start : start + replayed.learn_every])
    assert answered.snapshot() == replayed.snapshot()


def test_a_damaged_member_is_refused_and_changes_nothing() -> None:
    model = make()
    answers(model, waves(200))
    state = model.snapshot()
    other = make("robust_zscore", "seasonal_likelihood")
    answers(other, waves(50))
    with pytest.raises(ModelError, match="use the same options"):
        model.restore(other.snapshot())
    assert model.snapshot() == state


def test_what_members_lose_is_counted_by_member() -> None:
    limited = {"name": "robust_zscore", "options": {"max_keys": 2}}
    model = make("robust_zscore", limited, max_keys=1)
    model.learn_batch(waves(8))
    model.learn_batch(waves(8, source="t"))
    assert {k: v for k, v in model.take_incidents().items() if v} == {
        "refused_key": 1,
        "refused_key_of_robust_zscore_2": 2,
    }


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "expected 1 to 16"),
        (["robust_zscore"] * 17, "expected 1 to 16"),
        (["anomaly_ensemble"], "can't be a member of itself"),
        (["online_kmeans"], "no detector of anomalies"),
        (["traffic_detector"], "no detector of anomalies"),
        (["nothing"], "no model 'nothing'"),
        ([{"name": "robust_zscore", "option": {}}], "expected a name"),
        ([{"name": "robust_zscore", "options": {"learn_every": 4}}], "set it there"),
        ([{"name": "robust_zscore", "options": {"window": 1}}], "option window is 1"),
    ],
)
def test_members_that_do_not_fit_are_refused(members: list[Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(AnomalyEnsemble, {"members": members})
