"""The detectors of river that `river_detector` may use, with their options and scales.

Only these classes are ever created: a name from a pipeline file or a snapshot picks an entry of
`KINDS`, never a class by its path. Each entry maps river's score to a raw score >= 0 that spreads
unusual readings, and states the largest surprise that such a raw score may have for any source:
`models/anomaly/calibration.py` needs both. The bounds are stated scales, not measured ones.

river is imported when a detector is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from models.options import check_option

Floats = NDArray[np.float64]
Values = dict[str, float]
Settings = Mapping[str, float]
Range = tuple[float, float, float]

#: Raw scores are at most this.
LARGEST_RAW = 1e6
_LN10 = math.log(10.0)


class Vectors:
    """A detector of vectors: one instance reads all channels of a source together."""

    def __init__(self, river: Any, raw: Callable[[float], float]) -> None:
        self._river, self._raw = river, raw

    def score(self, values: Values) -> float:
        """Return the raw score; changes nothing."""
        return self._raw(float(self._river.score_one(values)))

    def learn(self, values: Values) -> None:
        """Learn a reading."""
        self._river.learn_one(values)


class Channels:
    """A detector of numbers: an instance for each channel; the most unusual channel counts."""

    def __init__(self, make: Callable[[], Any], raw: Callable[[float], float], first: int) -> None:
        """Make it; an instance is asked once it has learned `first` values."""
        self._make, self._raw, self._first = make, raw, first
        self._rivers: dict[str, Any] = {}
        self._seen: dict[str, int] = {}

    def score(self, values: Values) -> float:
        """Return the largest raw score of a channel; changes nothing. NaN if none is known."""
        scores = [
            self._raw(_score_number(self._rivers[name], value))
            for name, value in values.items()
            if self._seen.get(name, 0) >= self._first
        ]
        return max(scores, default=math.nan)

    def learn(self, values: Values) -> None:
        """Learn a reading."""
        for name, value in values.items():
            if name not in self._rivers:
                self._rivers[name], self._seen[name] = self._make(), 0
            river = self._rivers[name]
            if self._seen[name] >= self._first and hasattr(river, "dynamic_mae"):
                river.score_one({}, value)  # it learns how large its errors are by scoring
            river.learn_one({}, value)
            self._seen[name] += 1


def _score_number(river: Any, value: float) -> float:
    """Return river's score of a number; `PredictiveAnomalyDetection` changes when it scores."""
    if not hasattr(river, "dynamic_mae"):
        return float(river.score_one({}, value))
    held = river.dynamic_mae, river.dynamic_se_variance
    river.dynamic_mae, river.dynamic_se_variance = deepcopy(held)
    try:
        return float(river.score_one({}, value))
    finally:
        river.dynamic_mae, river.dynamic_se_variance = held


@dataclass(frozen=True)
class Kind:
    """One allowed detector."""

    make: Callable[[Settings, int], Vectors | Channels]
    """Makes an instance by its options and the seed."""
    bound: Callable[[Floats], Floats]
    """The largest surprise (n,) of raw scores (n,)."""
    options: Mapping[str, Range]
    """Name -> default, least, most. A whole default allows whole numbers only."""

    def settings(self, given: Mapping[str, float]) -> dict[str, float]:
        """Return all options, those given checked.

        Raises:
            ValueError: one is unknown, no number, or out of range.
        """
        unknown = sorted(set(given) - set(self.options))
        if unknown:
            raise ValueError(
                f"detector_options: unknown {', '.join(unknown)} (expected some of "
                f"{', '.join(self.options)})"
            )
        settings: dict[str, float] = {}
        for name, (default, low, high) in self.options.items():
            value = given.get(name, default)
            if not isinstance(value, int | float) or isinstance(default, int) > isinstance(
                value, int
            ):
                wanted = "a whole number" if isinstance(default, int) else "a number"
                raise ValueError(f"detector_options: {name} is {value!r}: expected {wanted}")
            settings[name] = check_option(f"detector_options: {name}", value, low, high)
        return settings


def _half_space_trees(options: Settings, seed: int) -> Vectors:
    from river import anomaly, preprocessing

    trees = anomaly.HalfSpaceTrees(**options, seed=seed)
    return Vectors(
        preprocessing.MinMaxScaler() | trees,
        lambda score: 1.0 / max(1.0 - score, 1.0 / LARGEST_RAW),
    )


def _local_outlier_factor(options: Settings, seed: int) -> Vectors:
    from river import anomaly, neighbors, preprocessing

    engine = neighbors.LazySearch(window_size=int(options["window_size"]))
    lof = anomaly.LocalOutlierFactor(n_neighbors=int(options["n_neighbors"]), engine=engine)
    return Vectors(preprocessing.StandardScaler() | lof, lambda score: max(score - 1.0, 0.0))


def _one_class_svm(options: Settings, seed: int) -> Vectors:
    from river import anomaly, feature_extraction, preprocessing

    sampler = feature_extraction.RBFSampler(
        gamma=options["gamma"], n_components=int(options["n_components"]), seed=seed
    )
    svm = anomaly.OneClassSVM(nu=options["nu"])
    # Readings like those learned lie far on the positive side of the plane.
    return Vectors(
        preprocessing.StandardScaler() | sampler | svm,
        lambda score: math.exp(min(max(-score, -50.0), 10.0)),
    )


def _loda(options: Settings, seed: int) -> Vectors:
    from river import anomaly, preprocessing

    loda = anomaly.LODA(**options, seed=seed)
    return Vectors(
        preprocessing.StandardScaler() | loda, lambda score: float(np.logaddexp(0.0, score))
    )


def _gaussian_scorer(options: Settings, seed: int) -> Channels:
    from river import anomaly

    grace = int(options["grace_period"])

    def make() -> Any:
        return anomaly.GaussianScorer(
            window_size=int(options["window_size"]) or None, grace_period=grace
        )

    return Channels(make, lambda score: -math.log10(max(1.0 - score, 1e-16)), grace)


def _standard_absolute_deviation(options: Settings, seed: int) -> Channels:
    from river import anomaly, stats

    subtracted = stats.Mean if not options["median"] else stats.Quantile
    return Channels(
        lambda: anomaly.StandardAbsoluteDeviation(sub_stat=subtracted()),
        lambda score: score,
        int(options["grace_period"]),
    )


def _predictive(options: Settings, seed: int) -> Channels:
    from river import anomaly, time_series

    def make() -> Any:
        forecaster = time_series.HoltWinters(alpha=options["alpha"], beta=options["beta"])
        return anomaly.PredictiveAnomalyDetection(forecaster, n_std=options["n_std"])

    return Channels(make, lambda score: score, int(options["warmup_period"]))


#: Name in the pipeline file -> what is known of the detector.
KINDS: dict[str, Kind] = {
    "half_space_trees": Kind(
        _half_space_trees,
        lambda raw: 1.5 * np.log10(np.maximum(raw, 1.0)),
        {"n_trees": (10, 1, 100), "height": (6, 1, 10), "window_size": (128, 8, 8192)},
    ),
    "local_outlier_factor": Kind(
        _local_outlier_factor,
        lambda raw: 1.5 * np.log2(1.0 + raw),
        {"n_neighbors": (10, 2, 100), "window_size": (128, 8, 1024)},
    ),
    "one_class_svm": Kind(
        _one_class_svm,
        lambda raw: 3.0 * raw,
        {"nu": (0.1, 0.001, 0.5), "gamma": (0.5, 1e-4, 1e3), "n_components": (32, 2, 256)},
    ),
    "loda": Kind(
        _loda,
        lambda raw: 0.3 * raw,
        {"n_bins": (20, 4, 256), "n_random_cuts": (20, 1, 200)},
    ),
    "gaussian_scorer": Kind(
        _gaussian_scorer,
        lambda raw: raw,
        {"window_size": (256, 0, 8192), "grace_period": (64, 2, 8192)},
    ),
    "standard_absolute_deviation": Kind(
        _standard_absolute_deviation,
        lambda raw: (log_ndtr(-raw) + math.log(2.0)) / -_LN10,
        {"median": (1, 0, 1), "grace_period": (64, 2, 8192)},
    ),
    "predictive_anomaly_detection": Kind(
        _predictive,
        lambda raw: 6.0 * raw,
        {
            "alpha": (0.3, 0.0, 1.0),
            "beta": (0.1, 0.0, 1.0),
            "n_std": (10.0, 0.1, 100.0),
            "warmup_period": (64, 4, 8192),
        },
    ),
}
