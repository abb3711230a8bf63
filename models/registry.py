"""The names of models that a pipeline file may use as `model:`.

Importing this module imports no model: each is registered by its module's name and imported when
it is created, so that a worker that has only sensor agents never imports torch.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from models.base import Model, ModelError, OnlineModel
from models.options_version import name_options_in_version, options_digest

#: name -> "module:Class"; see the end of this file.
_MODELS: dict[str, str] = {}


def register(name: str, path: str) -> None:
    """Register the class at `path` ("package.module:Class") under a name.

    Raises:
        ValueError: the name is already registered.
    """
    if name in _MODELS:
        raise ValueError(f"model {name!r} is already registered, as {_MODELS[name]}")
    _MODELS[name] = path


def model_names() -> list[str]:
    """Return every registered name, sorted."""
    return sorted(_MODELS)


def model_class(name: str) -> type[Model[Any, Any]]:
    """Return the class of a registered model, importing its module.

    Raises:
        ModelError: no such model.
    """
    if name not in _MODELS:
        raise ModelError(f"no model {name!r}: expected one of {', '.join(model_names())}")
    module, _, attribute = _MODELS[name].partition(":")
    cls: type[Model[Any, Any]] = getattr(importlib.import_module(module), attribute)
    return cls


def make_model(cls: type[Model[Any, Any]], options: dict[str, Any]) -> Model[Any, Any]:
    """Create a model with its options: the keyword arguments of its `__init__`.

    Raises:
        ModelError: an option is unknown or missing, or its value is not allowed.
    """
    parameters = inspect.signature(cls).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [] if takes_any else sorted(set(options) - set(parameters))
    if unknown:
        known = ", ".join(parameters) or "none"
        raise ModelError(
            f"model {cls.__name__}: unknown option {', '.join(unknown)} (its options: {known})"
        )
    try:
        model = cls(**options)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model {cls.__name__}: {error}") from error
    # The version of an online model names its state, which does not depend on every option.
    if not issubclass(cls, OnlineModel) and (digest := options_digest(cls, options)):
        name_options_in_version(model, digest)
    return model


register("onnx_detector", "models.detection.onnx_detector:OnnxDetector")
register("traffic_detector", "models.detection.traffic_detector:TrafficDetector")
register("image_classifier", "models.classification.image_classifier:ImageClassifier")
register("onnx_classifier", "models.classification.onnx_classifier:OnnxClassifier")
register("image_segmenter", "models.segmentation.image_segmenter:ImageSegmenter")
register("onnx_segmenter", "models.segmentation.onnx_segmenter:OnnxSegmenter")
register("traffic_segmenter", "models.segmentation.traffic_segmenter:TrafficSegmenter")
register("byte_tracker", "models.tracking.byte_tracker:ByteTracker")
register("scene_watcher", "models.tracking.scene_watcher:SceneWatcher")
register("onnx_tabular", "models.tabular:OnnxTabular")
register("open_inference", "models.remote.open_inference:OpenInference")
register("intent_classifier", "models.nlu.intent_classifier:IntentClassifier")
register("huggingface_classifier", "models.nlu.sequence_classifier:HuggingFaceClassifier")
register("huggingface_entities", "models.nlu.token_classifier:HuggingFaceEntities")
register("entity_recognizer", "models.nlu.entity_recognizer:EntityRecognizer")
register("sentence_encoder", "models.nlu.sentence_embedder:SentenceEmbedder")
register("zero_shot", "models.nlu.zero_shot:ZeroShot")
register("text_heads", "models.nlu.text_heads:TextHeads")
register("transducer_folder", "models.transducer_folder.transducer_folder:TransducerFolder")
register("transliterator", "models.transliteration.transliterator:Transliterator")
register("robust_zscore", "models.anomaly.robust_zscore:RobustZScore")
register("half_space_trees", "models.anomaly.half_space_trees:HalfSpaceTrees")
register("isolation_forest", "models.anomaly.isolation_forest:IsolationForest")
register("seasonal_likelihood", "models.anomaly.seasonal_likelihood:SeasonalLikelihood")
register("incremental_pca", "models.anomaly.incremental_pca:IncrementalPCA")
register("random_cut_forest", "models.anomaly.random_cut_forest:RandomCutForest")
register("deep_autoencoder", "models.anomaly.deep_autoencoder:DeepAutoencoder")
register("river_detector", "models.anomaly.river_detector:RiverDetector")
register("anomaly_ensemble", "models.anomaly.anomaly_ensemble:AnomalyEnsemble")
register("drift_detector", "models.drift.drift_detector:DriftDetector")
register("silence_watcher", "models.silence.silence_watcher:SilenceWatcher")
register("online_intent_head", "models.nlu.online_intent_head:OnlineIntentHead")
register("adaptive_random_forest", "models.forests.adaptive_random_forest:AdaptiveRandomForest")
register("random_forest", "models.forests.random_forest:RandomForest")
register("label_relay", "models.feedback.label_relay:LabelRelay")
register("online_kmeans", "models.clustering.online_kmeans:OnlineKMeans")
register("denstream", "models.clustering.denstream:DenStream")
register("clustream", "models.clustering.clustream:CluStream")
register("dbstream", "models.clustering.dbstream:DBStream")
register("merge_clusters", "models.clustering.merge_clusters:MergeClusters")
register("picture_relay", "models.clustering.picture_relay:PictureRelay")
register("recommender", "models.recommendation.recommender:Recommender")
register("item_relay", "models.recommendation.item_relay:ItemRelay")
register("item_cooccurrence", "models.recommendation.item_cooccurrence:ItemCooccurrence")
register(
    "online_matrix_factorization",
    "models.recommendation.online_matrix_factorization:OnlineMatrixFactorization",
)
register("popular_items", "models.recommendation.popular_items:PopularItems")
register("speech_recognizer", "models.speech.recognizer:SpeechRecognizer")
register("tacotron2", "models.synthesis.tacotron2_synthesizer:Tacotron2Synthesizer")
register("alert_text", "models.synthesis.alert_text:AlertWriter")
register("hibari", "models.synthesis.hibari:HibariSynthesizer")
