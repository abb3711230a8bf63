"""Write the table of measured quality into docs/models.md: `python -m models.quality_table`.

The figures are those of quality.json, and nothing else; the remarks are written here.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from models.evaluation import Measure
from models.quality import Quality, read_quality

DOCUMENT = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- quality: begin -->", "<!-- quality: end -->"
#: (how the model starts, how the data starts) -> what to know; the first that fits.
REMARKS: dict[tuple[str, str], str] = {
    ("traffic_detector", ""): "not trained on, but from the renderer that it was trained on: says "
    "nothing about real cameras",
    ("traffic_segmenter", ""): "as for the detector",
    ("onnx_detector", "coco_photos"): "**seen**: of COCO's training split, which FastestDet's "
    "authors trained on",
    ("onnx_detector", "video"): "shows that a person is found, not that all are",
    ("image_classifier (digits)", ""): "not trained on; nothing was chosen with them",
    ("image_classifier (traffic)", ""): "as for the detector; nothing was chosen with them",
    (
        "image_classifier (efficientnet_lite0)",
        "",
    ): "four pictures: says that it works, not how well",
    ("byte_tracker (traffic_detector)", ""): "settings were chosen on 24 other clips; from the "
    "renderer that the detector was trained on",
    ("byte_tracker (FastestDet)", ""): "no true ids: says how long tracks last, not whether they "
    "are right",
    (
        "intent_classifier (shipped head)",
        "",
    ): "**seen**: the threshold was chosen with 1,500 of them",
    (
        "intent_classifier (minilm",
        "",
    ): "chosen on the validation part; [more](language.md#measured)",
    ("intent_classifier (roberta", ""): "small; trained on CLINC150's train texts, without labels",
    ("intent_classifier (head on", ""): "default settings; not tuned on this data",
    ("transliterator", "GeoNames, 1000 others"): "watched in training",
    ("transliterator", ""): "not trained on, and nothing was chosen with them; "
    "[more](transliteration.md#measured)",
    ("entity_recognizer", ""): "chosen on a fifth of the train part",
    ("robust_zscore", ""): "**seen**: the defaults were chosen on these files",
    ("half_space_trees", ""): "**seen**",
    ("seasonal_likelihood", "nab"): "**seen**: signs and constants were chosen on these files",
    ("seasonal_likelihood", ""): "not tuned on this data",
    ("online_kmeans", ""): "**seen** during the work",
    (
        "denstream",
        "",
    ): "options chosen on neighboring rows; the figures were **seen** at one other step",
    ("clustream", ""): "options chosen on neighboring rows",
    ("dbstream", ""): "options chosen on neighboring rows",
    ("anomaly_ensemble", "nab"): "**seen**: rules and members were compared on these files",
    ("anomaly_ensemble", "skab"): "**seen**",
    ("anomaly_ensemble", ""): "not tuned on this data",
    ("river_detector", ""): "not tuned on this data",
    ("isolation_forest", "skab"): "**seen**",
    ("isolation_forest", "nab"): "**seen**",
    ("isolation_forest", ""): "not tuned on this data",
    ("incremental_pca", "skab"): "**seen**: options were chosen on these files",
    ("incremental_pca", "smap_msl"): "**seen**: options were chosen on these files",
    ("incremental_pca", "Shuttle"): "**seen**: `window` was chosen for it",
    ("incremental_pca", ""): "not tuned on this data",
    ("random_cut_forest", "Shuttle"): "**seen** during the work; varies with the seed",
    ("random_cut_forest", ""): "not tuned on this data",
    ("deep_autoencoder", "skab"): "**seen** during the work",
    ("deep_autoencoder", ""): "not tuned on this data",
    ("scikit-learn's IsolationForest", ""): "for comparison",
    (
        "adaptive_random_forest",
        "",
    ): "the learning step was chosen on these streams; one row for each seed",
    ("river's ARFClassifier", ""): "for comparison, one row for each seed",
    ("river's SoftmaxRegression", ""): "for comparison",
    ("scikit-learn's", ""): "for comparison",
    (
        "recommender",
        "MovieLens",
    ): "constants were chosen on the first 30 %; the data is for research only and is not shipped",
    ("recommender", ""): "one row for each seed; one constant was changed after a look at it",
    ("implicit ALS", ""): "for comparison: our own numpy version of Hu, Koren and Volinsky, 2008",
    ("popularity", ""): "for comparison",
    ("zero_shot", ""): "the threshold was chosen on the validation part",
    ("MiniBatchKMeans", ""): "scikit-learn's, for comparison, with a scaler added",
}


def table(quality: Quality) -> str:
    """Return the figures as Markdown, a row for each model and data set."""
    days = sorted(set(quality.dates.values()))
    lines = [
        f"Measured from {days[0]} to {days[-1]}." if len(days) > 1 else f"Measured on {days[0]}.",
        "",
        "| model | data | figure | value | seen |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (model, dataset), rows in groupby(quality.rows, key=lambda row: (row.model, row.dataset)):
        found = list(rows)
        names = "; ".join(row.metric for row in found)
        values = "; ".join(_number(row) for row in found)
        lines.append(f"| {model} | {dataset} | {names} | {values} | {_remark(model, dataset)} |")
    return "\n".join(lines)


def in_step(text: str, quality: Quality) -> str:
    """Return a document with the table between its two marks replaced.

    Raises:
        ValueError: it has not both marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(quality)}\n{END}{after}"


def _number(row: Measure) -> str:
    return f"{row.value:.4g}"


def _remark(model: str, dataset: str) -> str:
    for (name, data), remark in REMARKS.items():
        if model.startswith(name) and dataset.startswith(data):
            return remark
    return ""


def main() -> int:
    """Rewrite the table; return the exit code."""
    try:
        text = in_step(DOCUMENT.read_text("utf-8"), read_quality())
    except (OSError, ValueError) as error:
        print(f"error: {DOCUMENT}: {error}", file=sys.stderr)
        return 2
    DOCUMENT.write_text(text, "utf-8")
    print(f"{DOCUMENT}: the table is that of quality.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
