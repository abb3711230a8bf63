"""Facts about each registered model: task, licences, paper, shipped weights.

One place for all of it: `penstock models` prints it, and a contract test asks that every registered
model is here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
#: Of the code of every model, and of weights that only this repository's own data made.
_OURS = "Apache-2.0"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_YOURS = "as your file says"


@dataclass(frozen=True)
class CatalogEntry:
    """The facts about one registered model."""

    task: str
    """What it does, in a word or two."""
    paper: str
    """Where the method is from: authors, year, place. "" for a reader of a user's files."""
    weights_licence: str = ""
    """Of the weights; "" if it has none."""
    weights: tuple[str, ...] = ()
    """The shipped files with weights, relative to `models/`; each network counts once, although it
    may be shipped in two formats."""
    brought: str = ""
    """Weights that are not shipped: the package that has them, with its licence."""
    licence: str = _OURS
    """Of the code."""

    @property
    def num_bytes(self) -> int:
        """Size of the shipped weights."""
        return sum((_FOLDER / name).stat().st_size for name in self.weights)

    @property
    def num_parameters(self) -> int:
        """Numbers in the shipped weights."""
        return sum(count_parameters(_FOLDER / name) for name in self.weights)


def count_parameters(path: Path) -> int:
    """Return how many trained numbers a safetensors file holds, by its header.

    The running statistics of batch normalization are not trained.

    Raises:
        OSError: it can't be read.
        ValueError: not a safetensors file.
    """
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(tensor["shape"])
        for name, tensor in header.items()
        if name != "__metadata__" and not name.endswith(_STATISTICS)
    )


_MINILM = "all-MiniLM-L6-v2 (22.7 M parameters, Apache-2.0) of the extra `demo`"
_BERT = "Devlin et al., 2019, arXiv:1810.04805; Reimers and Gurevych, 2019, arXiv:1908.10084"

_PAIRS = "Linden, Smith and York, 2003, IEEE Internet Computing 7(1)"
_FACTORS = (
    "Koren, Bell and Volinsky, 2009, IEEE Computer 42(8); He et al., 2016, SIGIR, arXiv:1708.05024"
)

#: By registered name.
CATALOG: dict[str, CatalogEntry] = {
    "onnx_detector": CatalogEntry("object detection", "", _YOURS),
    "traffic_detector": CatalogEntry(
        "object detection",
        "Tian et al., 2019, arXiv:1904.01355; Wang et al., 2019, arXiv:1911.11929",
        f"{_OURS}: trained here on rendered scenes",
        ("detection/weights/model.safetensors",),
    ),
    "image_classifier": CatalogEntry(
        "image classification",
        "He et al., 2015, arXiv:1512.03385; Tan and Le, 2019, arXiv:1905.11946",
        f"{_OURS}: `digits` is trained here on MNIST digits (CC BY-SA 3.0), `traffic` on rendered "
        f"objects; {_YOURS}",
        (
            "classification/weights/digits/model.safetensors",
            "classification/weights/traffic/model.safetensors",
        ),
        "EfficientNet-lite0 (4.7 M parameters, Apache-2.0) of the extra `vision`",
    ),
    "onnx_classifier": CatalogEntry("image classification", "", _YOURS),
    "image_segmenter": CatalogEntry(
        "segmentation",
        "Xie et al., 2021, arXiv:2105.15203; Cheng et al., 2021, arXiv:2112.01527",
        _YOURS,
    ),
    "onnx_segmenter": CatalogEntry("segmentation", "", _YOURS),
    "traffic_segmenter": CatalogEntry(
        "segmentation",
        "Ronneberger et al., 2015, arXiv:1505.04597",
        f"{_OURS}: trained here on rendered scenes",
        ("segmentation/weights/model.safetensors",),
    ),
    "byte_tracker": CatalogEntry("tracking", "Zhang et al., 2022, arXiv:2110.06864"),
    "scene_watcher": CatalogEntry("lines and zones", "own rules; docs/vision.md states them"),
    "onnx_tabular": CatalogEntry("tabular", "", _YOURS),
    "open_inference": CatalogEntry(
        "any, on another server",
        "none: the Open Inference Protocol, github.com/kserve/open-inference-protocol",
        "as your server says",
    ),
    "intent_classifier": CatalogEntry(
        "intents",
        _BERT,
        f"{_OURS}: head trained here on composed phrases; encoder `roberta` on CLINC150 (CC BY "
        "3.0), WNUT 2017 (CC BY 4.0) and WordNet",
        ("nlu/weights/head.safetensors", "nlu/weights/roberta/model.safetensors"),
        _MINILM,
    ),
    "huggingface_classifier": CatalogEntry(
        "text classification", "Devlin et al., 2019, arXiv:1810.04805", _YOURS
    ),
    "huggingface_entities": CatalogEntry(
        "entities", "Devlin et al., 2019, arXiv:1810.04805", _YOURS
    ),
    "entity_recognizer": CatalogEntry(
        "entities",
        "Collobert et al., 2011, JMLR 12; Derczynski et al., 2017, W-NUT",
        f"{_OURS}: trained here on WNUT 2017 (CC BY 4.0)",
        ("nlu/weights/entities/entities.safetensors",),
        _MINILM,
    ),
    "online_intent_head": CatalogEntry(
        "intents",
        "Hayes and Kanan, 2020, arXiv:1909.01520; Ledoit and Wolf, 2004",
        f"{_OURS}: starts from the head of intent_classifier",
        (),
        _MINILM,
    ),
    "sentence_encoder": CatalogEntry("sentence vectors", _BERT, _YOURS, (), _MINILM),
    "zero_shot": CatalogEntry(
        "labels without training", "Yin et al., 2019, arXiv:1909.00161", _YOURS, (), _MINILM
    ),
    "text_heads": CatalogEntry("several heads in one pass", _BERT, _YOURS, (), _MINILM),
    "transliterator": CatalogEntry(
        "transliteration",
        "Graves, 2012, arXiv:1211.3711",
        f"{_OURS}, from GeoNames' data (geonames.org, CC BY 4.0)",
        ("transliteration/weights/model.safetensors",),
    ),
    "transducer_folder": CatalogEntry(
        "speech recognition",
        "Graves, 2012, arXiv:1211.3711; Yao et al., 2023, arXiv:2310.11230; Xu et al., 2023, "
        "arXiv:2304.06795",
        _YOURS,
    ),
    "robust_zscore": CatalogEntry("anomalies", "Iglewicz and Hoaglin, 1993, ASQC"),
    "half_space_trees": CatalogEntry("anomalies", "Tan, Ting and Liu, 2011, IJCAI"),
    "seasonal_likelihood": CatalogEntry(
        "anomalies",
        "Ahmad et al., 2017, Neurocomputing 262; Siffer et al., 2017, KDD; Lavin and Ahmad, 2015, "
        "arXiv:1510.03336",
    ),
    "isolation_forest": CatalogEntry("anomalies", "Liu, Ting and Zhou, 2008, ICDM"),
    "incremental_pca": CatalogEntry(
        "anomalies",
        "Levy and Lindenbaum, 2000, IEEE Transactions on Image Processing 9(8); Jackson and "
        "Mudholkar, 1979, Technometrics 21(3)",
    ),
    "random_cut_forest": CatalogEntry("anomalies", "Guha, Mishra, Roy and Schrijvers, 2016, ICML"),
    "deep_autoencoder": CatalogEntry(
        "anomalies",
        "Hinton and Salakhutdinov, 2006, Science 313; Sakurada and Yairi, 2014, MLSDA",
    ),
    "river_detector": CatalogEntry(
        "anomalies",
        "Montiel et al., 2021, JMLR 22 (river); each detector's is in docs/anomalies.md",
    ),
    "anomaly_ensemble": CatalogEntry(
        "anomalies",
        "Fisher, 1925; Wilson, 2019, PNAS 116(4); Aggarwal and Sathe, 2015, SIGKDD 17(1)",
    ),
    "drift_detector": CatalogEntry(
        "drift",
        "Bifet and Gavaldà, 2007, SDM (ADWIN); Page, 1954, Biometrika 41; Raab, Heusinger and "
        "Schleif, 2020, Neurocomputing 416 (KSWIN)",
    ),
    "silence_watcher": CatalogEntry("silent sources", "own rules; docs/silence.md states them"),
    "online_kmeans": CatalogEntry("clustering", "Sculley, 2010, WWW; Aggarwal et al., 2003, VLDB"),
    "denstream": CatalogEntry("clustering", "Cao, Ester, Qian and Zhou, 2006, SDM"),
    "clustream": CatalogEntry("clustering", "Aggarwal, Han, Wang and Yu, 2003, VLDB"),
    "dbstream": CatalogEntry("clustering", "Hahsler and Bolaños, 2016, IEEE TKDE 28(6)"),
    "merge_clusters": CatalogEntry("clustering", "own rules; docs/clusters.md states them"),
    "picture_relay": CatalogEntry("clustering", "none: it copies records; docs/clusters.md"),
    "adaptive_random_forest": CatalogEntry(
        "classification", "Gomes et al., 2017, Machine Learning 106; Domingos and Hulten, 2000, KDD"
    ),
    "random_forest": CatalogEntry("classification", "Breiman, 2001, Machine Learning 45", _YOURS),
    "label_relay": CatalogEntry("late labels", "none: it copies records; docs/forests.md"),
    "recommender": CatalogEntry("recommendation", f"{_PAIRS}; {_FACTORS}"),
    "item_relay": CatalogEntry("recommendation", "none: it copies records; docs/recommendation.md"),
    "item_cooccurrence": CatalogEntry("recommendation", _PAIRS),
    "online_matrix_factorization": CatalogEntry("recommendation", _FACTORS),
    "popular_items": CatalogEntry(
        "recommendation", "own rules; docs/recommendation.md states them"
    ),
    "speech_recognizer": CatalogEntry(
        "speech recognition",
        "Graves, 2012, arXiv:1211.3711; He et al., 2019, arXiv:1811.06621",
        f"{_OURS}, from speech of hibari-tts, espeak-ng and flite; {_YOURS}",
        ("speech/weights/recognizer/model.safetensors",),
    ),
    "tacotron2": CatalogEntry(
        "speech synthesis",
        "Shen et al., 2018, arXiv:1712.05884; Griffin and Lim, 1984; Perraudin et al., 2013",
        f"{_OURS}, from speech of hibari-tts; {_YOURS}",
        ("synthesis/weights/model.safetensors",),
    ),
    "alert_text": CatalogEntry("wording of alerts", "none: it fills a template"),
    "hibari": CatalogEntry(
        "speech synthesis",
        "none: hibari-tts, distilled from Kokoro-82M",
        "Apache-2.0",
        (),
        "hibari-tts (6.2 M parameters, Apache-2.0) of the extra `demo`",
    ),
}
