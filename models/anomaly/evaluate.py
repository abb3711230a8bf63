"""Measure the anomaly models on real anomalies: NAB, SKAB valve1, SMAP/MSL, Shuttle.

    python -m models.anomaly.evaluate FOLDER_OF_DATA

Models without brackets behind their names have default options, on all files. Every row is scored
by the rows before it, including rows of the rated part. Each file has its own source_id.
scikit-learn's isolation forest, for comparison, is fitted on the training rows of each file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.anomaly_ensemble import AnomalyEnsemble
from models.anomaly.deep_autoencoder import DeepAutoencoder
from models.anomaly.half_space_trees import HalfSpaceTrees
from models.anomaly.incremental_pca import IncrementalPCA
from models.anomaly.isolation_forest import IsolationForest
from models.anomaly.labeled import LabeledSeries, load_nab, load_skab, load_telemetry
from models.anomaly.nab_score import best_threshold, nab_score
from models.anomaly.random_cut_forest import RandomCutForest
from models.anomaly.range_metrics import vus_pr
from models.anomaly.rate_shuttle import load_shuttle, rate_shuttle
from models.anomaly.river_detector import RiverDetector
from models.anomaly.robust_zscore import RobustZScore
from models.anomaly.seasonal_likelihood import SeasonalLikelihood
from models.evaluation import (
    Measure,
    Row,
    answer_stream,
    f1,
    one_result,
    point_adjusted,
    print_rows,
    roc_auc,
    without_data,
)

Floats = NDArray[np.float64]
Figures = list[tuple[str, float]]
Detector = (
    RobustZScore
    | HalfSpaceTrees
    | IsolationForest
    | SeasonalLikelihood
    | IncrementalPCA
    | RandomCutForest
    | DeepAutoencoder
    | RiverDetector
    | AnomalyEnsemble
)
MakeDetector = Callable[[], Detector]

TASK = "anomaly"


class Entry(NamedTuple):
    """One model to rate."""

    make: MakeDetector
    name: str
    sets: tuple[str, ...] = ("nab", "skab", "smap_msl", "shuttle")
    """The data sets it is rated on."""


#: The random cut forest takes milliseconds for a reading, so not on the long sets. In Shuttle's
#: random order, a subsequence means nothing.
MODELS = (
    Entry(RobustZScore, "robust_zscore"),
    Entry(HalfSpaceTrees, "half_space_trees"),
    Entry(IsolationForest, "isolation_forest"),
    Entry(SeasonalLikelihood, "seasonal_likelihood", ("nab", "skab", "smap_msl")),
    Entry(IncrementalPCA, "incremental_pca", ("nab", "skab", "smap_msl")),
    Entry(
        lambda: IncrementalPCA(window=1, min_values=32),
        "incremental_pca (window=1, min_values=32)",
        ("shuttle",),
    ),
    Entry(RandomCutForest, "random_cut_forest", ("skab", "shuttle")),
    Entry(DeepAutoencoder, "deep_autoencoder", ("skab", "smap_msl")),
    Entry(RiverDetector, "river_detector (half_space_trees)", ("nab", "skab", "smap_msl")),
    Entry(partial(RiverDetector, "loda"), "river_detector (loda)", ("nab", "skab", "smap_msl")),
    Entry(AnomalyEnsemble, "anomaly_ensemble", ("nab", "skab", "smap_msl")),
)
#: Another implementation, for comparison.
_PEER = "scikit-learn's IsolationForest"

#: The threshold for SKAB and SMAP/MSL is this quantile of the scores on the training rows.
TRAIN_QUANTILE = 0.99


def scores_of(model: Detector, series: LabeledSeries) -> Floats:
    """Return the scores (rows,) of a series, from the first row to the last."""
    return np.array([one_result(answer).score for answer in answer_stream(model, series.readings)])


def surprises_of(model: Detector, series: LabeledSeries) -> Floats:
    """Return -log10 of the probabilities (rows,), which are not damped; 0 where not scored."""
    results = [one_result(answer) for answer in answer_stream(model, series.readings)]
    probabilities = [1.0 if one.probability is None else one.probability for one in results]
    return -np.log10(np.maximum(probabilities, np.finfo(np.float64).tiny))


def rate_nab(make: MakeDetector, series: Sequence[LabeledSeries]) -> Figures:
    """Return NAB's score, and at the default threshold the windows found and false alarms."""
    scores, threshold = [scores_of(make(), one) for one in series], make().threshold
    best, reachable = best_threshold(series, scores)
    flagged = [s >= threshold for s in scores]
    is_found = [
        bool(f[max(first, one.warm_up) : last + 1].any())
        for one, f in zip(series, flagged, strict=True)
        for first, last in one.windows
    ]
    normal = [
        f[one.warm_up :][~one.truth[one.warm_up :]] for one, f in zip(series, flagged, strict=True)
    ]
    return [
        ("NAB score, standard profile, best single threshold", reachable),
        ("NAB: that threshold", best),
        (
            "NAB score, standard profile, default threshold",
            float(nab_score(series, scores, np.array([threshold]))[0]),
        ),
        ("NAB: share of windows found, default threshold", float(np.mean(is_found))),
        (
            "NAB: share of normal rows flagged, default threshold",
            float(np.concatenate(normal).mean()),
        ),
        *_across_categories(series, scores),
    ]


def _across_categories(series: Sequence[LabeledSeries], scores: Sequence[Floats]) -> Figures:
    """Return NAB's score of all other categories, with the best threshold of each category."""
    figures: Figures = []
    for category in dict.fromkeys(_category(one) for one in series):
        inside = [i for i, one in enumerate(series) if _category(one) == category]
        others = [i for i, one in enumerate(series) if _category(one) != category]
        threshold, _ = best_threshold([series[i] for i in inside], [scores[i] for i in inside])
        if others:
            rated = nab_score(
                [series[i] for i in others], [scores[i] for i in others], np.array([threshold])
            )
            figures.append((f"NAB score of the others, threshold of {category}", float(rated[0])))
    return figures


def _category(series: LabeledSeries) -> str:
    return series.name.split("/")[0]


def rate_split(
    surprises: Callable[[LabeledSeries], Floats], series: Sequence[LabeledSeries], name: str
) -> Figures:
    """Return AUC and VUS-PR (means over files) and F1 (over all rows) behind the training rows.

    Rows are ranked by probability: repeats are not damped here, where every row of an anomaly
    counts. Flagged is what exceeds the 99 % quantile of the file's scored training rows, without a
    look at labels. A constant channel's training rows have one score: that score is not flagged.
    """
    scores = [surprises(one) for one in series]
    truths = [one.truth[one.warm_up :] for one in series]
    rated = [s[one.warm_up :] for one, s in zip(series, scores, strict=True)]
    cuts = [_train_cut(s[: one.warm_up]) for one, s in zip(series, scores, strict=True)]
    flagged = [r > cut for r, cut in zip(rated, cuts, strict=True)]
    adjusted = [point_adjusted(f, t) for f, t in zip(flagged, truths, strict=True)]
    truth = np.concatenate(truths)
    aucs = [roc_auc(r, t) for r, t in zip(rated, truths, strict=True)]
    volumes = [vus_pr(r, t) for r, t in zip(rated, truths, strict=True)]
    return [
        (f"{name}: ROC AUC, mean of {len(series)} files", float(np.mean(aucs))),
        (f"{name}: VUS-PR, mean of {len(series)} files", float(np.mean(volumes))),
        (f"{name}: F1, threshold from the training rows", f1(np.concatenate(flagged), truth)),
        (
            f"{name}: share of normal rows flagged, threshold from the training rows",
            float(np.concatenate(flagged)[~truth].mean()),
        ),
        (f"{name}: F1 point-adjusted, the same threshold", f1(np.concatenate(adjusted), truth)),
    ]


def peer_scores(series: LabeledSeries) -> Floats:
    """Return the scores (rows,) of a forest that scikit-learn fits on the training rows."""
    from sklearn.ensemble import IsolationForest as Forest

    rows = np.array([list(reading.values.values()) for reading in series.readings])
    forest = Forest(random_state=0).fit(rows[: series.warm_up])
    scores: Floats = -forest.score_samples(rows)
    return scores


def _train_cut(scores: Floats) -> float:
    """Return the threshold of one file; rows with score 0, before the warm-up, are left out."""
    scored = scores[scores > 0]
    return float(np.quantile(scored, TRAIN_QUANTILE)) if len(scored) else np.inf


def evaluate_on(data_dir: Path) -> list[Row]:
    """Return the figures of all models on each data set; an absent data set is skipped."""
    nab, skab, telemetry = (data_dir / name for name in ("nab", "skab", "smap_msl"))
    splits: list[tuple[str, str, list[LabeledSeries]]] = []
    if skab.is_dir():
        splits.append(("skab, valve1", "SKAB valve1", load_skab(skab / "valve1")))
    if telemetry.is_dir():
        splits.append(("smap_msl", "SMAP/MSL", load_telemetry(telemetry)))
    series = load_nab(nab) if nab.is_dir() else []
    shuttle = load_shuttle()
    rows: list[Row] = []
    for entry in MODELS:
        if series and "nab" in entry.sets:
            rows += _measures(entry.name, "nab", rate_nab(entry.make, series))
        for dataset, title, files in splits:
            if dataset.split(",")[0] in entry.sets:
                figures = rate_split(_surprises(entry.make), files, title)
                rows += _measures(entry.name, dataset, figures)
        if "shuttle" in entry.sets:
            figures = rate_shuttle(_surprises(entry.make), shuttle)
            rows += _measures(
                entry.name, f"Shuttle of river, {len(shuttle.readings)} rows", figures
            )
    for dataset, title, files in splits:
        rows += _measures(_PEER, dataset, rate_split(peer_scores, files, title))
    absent = [path.name for path in (nab, skab, telemetry) if not path.is_dir()]
    return [*rows, *without_data(TASK, *absent)]


def _surprises(make: MakeDetector) -> Callable[[LabeledSeries], Floats]:
    return lambda series: surprises_of(make(), series)


#: Metrics of which higher is not better: what they end with -> `Measure.higher_is_better`.
_NOT_HIGHER = {
    "normal rows flagged, default threshold": False,
    "normal rows flagged, threshold from the training rows": False,
    "that threshold": None,
}


def _measures(model: str, dataset: str, pairs: Figures) -> list[Measure]:
    return [
        Measure(
            task=TASK,
            dataset=dataset,
            model=model,
            metric=name.partition(": ")[2] or name,
            value=value,
            higher_is_better=next(
                (h for end, h in _NOT_HIGHER.items() if name.endswith(end)), True
            ),
        )
        for name, value in pairs
    ]


if __name__ == "__main__":
    print_rows(evaluate_on(Path(sys.argv[1])))
