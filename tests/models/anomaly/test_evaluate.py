"""The anomaly models find known anomalies of real series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.anomaly.evaluate import MODELS, Detector, Entry, rate_split, scores_of, surprises_of
from models.anomaly.half_space_trees import HalfSpaceTrees
from models.anomaly.incremental_pca import IncrementalPCA
from models.anomaly.labeled import LabeledSeries, load_nab, load_skab, load_telemetry
from models.anomaly.robust_zscore import RobustZScore
from models.anomaly.seasonal_likelihood import SeasonalLikelihood
from schemas import SensorReading

#: Two processors' loads and a count of mentions.
NAMED = (
    "realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv",
    "realTweets/Twitter_volume_GOOG.csv",
    "realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv",
)


def test_reads_all_of_nab_and_its_windows(data_dir: Path) -> None:
    series = load_nab(data_dir / "nab")
    assert (len(series), sum(len(one.windows) for one in series)) == (33, 69)
    for one in series:
        assert one.warm_up <= 750
        assert all(0 < first < last < len(one.readings) for first, last in one.windows)
        if one.windows:  # one file has none; else they cover about a tenth of it
            assert 0.02 < one.truth.mean() < 0.25


@pytest.mark.parametrize(
    "model",
    [RobustZScore, SeasonalLikelihood, pytest.param(HalfSpaceTrees, marks=pytest.mark.slow)],
)
def test_flags_known_anomalies_of_nab_and_few_normal_rows(
    data_dir: Path, model: type[Detector]
) -> None:
    named = [one for one in load_nab(data_dir / "nab") if one.name in NAMED]
    assert len(named) == len(NAMED)
    for one in named:
        flagged = scores_of(model(), one) >= model().threshold
        is_found = [bool(flagged[first : last + 1].any()) for first, last in one.windows]
        normal = flagged[one.warm_up :][~one.truth[one.warm_up :]]
        assert any(is_found), one.name
        assert normal.mean() < 0.01, one.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "least_auc"), [(RobustZScore, 0.68), (HalfSpaceTrees, 0.77), (IncrementalPCA, 0.83)]
)
def test_ranks_the_closed_valve_of_skab(
    data_dir: Path, model: type[Detector], least_auc: float
) -> None:
    figures = dict(
        rate_split(
            lambda one: surprises_of(model(), one), load_skab(data_dir / "skab" / "valve1"), "SKAB"
        )
    )
    assert figures["SKAB: ROC AUC, mean of 16 files"] > least_auc


def test_reads_the_telemetry_with_train_before_test(data_dir: Path) -> None:
    series = {one.name: one for one in load_telemetry(data_dir / "smap_msl")}
    assert len(series) == 10
    one = series["M-6"]
    assert len(one.readings) - one.warm_up == 2049
    assert one.windows == [(one.warm_up + 1850, one.warm_up + 2030)]
    assert not np.any(one.truth[: one.warm_up])


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_every_model_of_the_evaluation_rates_every_row(entry: Entry) -> None:
    values = np.random.default_rng(3).normal(20.0, 2.0, (300, 2)).round(3).tolist()
    readings = [
        SensorReading(source_id="p", event_time_ms=60_000 * i, values={"a": a, "b": b})
        for i, (a, b) in enumerate(values, 1)
    ]
    series = LabeledSeries("p", readings, np.zeros(300, np.bool_), 200, [])
    surprises = surprises_of(entry.make(), series)
    assert surprises.shape == (300,)
    assert np.isfinite(surprises).all()
    assert (surprises >= 0).all()
