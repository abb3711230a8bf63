from __future__ import annotations

from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.sequence_classifier import HuggingFaceClassifier
from schemas import InputError, NluResult, TextMessage
from tests.models.nlu.conftest import SaveModel

LABELS = {0: "angry", 1: "calm", 2: "glad"}
TEXTS = ["hello", "where is my order", "thanks " * 90, "money"]


@pytest.fixture(scope="module")
def folder(save_bert: SaveModel) -> Path:
    return save_bert("BertForSequenceClassification", id2label=LABELS)


def answer(model: HuggingFaceClassifier, texts: list[str]) -> list[NluResult]:
    model.load()
    answers = model.predict_batch([TextMessage(text=text) for text in texts])
    return [actual for actual in answers if isinstance(actual, NluResult)]


def test_answers_equal_those_of_transformers(folder: Path) -> None:
    import torch
    from transformers import BertForSequenceClassification

    reference = BertForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        expected = reference(torch.tensor([[2, 5, 3]])).logits[0].softmax(dim=0).tolist()
    (actual,) = answer(HuggingFaceClassifier(str(folder)), ["hello"])
    scores = {actual.intent: actual.score} | {a.intent: a.score for a in actual.alternatives}
    assert scores == pytest.approx(dict(zip(LABELS.values(), expected, strict=True)), abs=2e-6)
    assert actual.score == max(scores.values())


def test_an_answer_does_not_depend_on_the_batch(folder: Path) -> None:
    model = HuggingFaceClassifier(str(folder), top_k=0)
    together = answer(model, TEXTS)
    for text, actual in zip(TEXTS, together, strict=True):
        (alone,) = answer(model, [text])
        assert actual.intent == alone.intent
        assert actual.score == pytest.approx(alone.score, abs=1e-5)


def test_multi_label_scores_are_sigmoids(save_bert: SaveModel) -> None:
    folder = save_bert(
        "BertForSequenceClassification",
        id2label=LABELS,
        problem_type="multi_label_classification",
    )
    (actual,) = answer(HuggingFaceClassifier(str(folder)), ["hello"])
    total = actual.score + sum(a.score for a in actual.alternatives)
    assert total != pytest.approx(1, abs=1e-3)


def test_threshold_gives_out_of_scope(folder: Path) -> None:
    (actual,) = answer(HuggingFaceClassifier(str(folder), min_score=1.0), ["hello"])
    assert actual.intent == "oos"


def test_a_bad_text_is_an_error_for_that_text_alone(folder: Path) -> None:
    model = HuggingFaceClassifier(str(folder))
    model.load()
    model.warm_up()
    good, bad = model.predict_batch([TextMessage(text="hello"), TextMessage(text="\ud800")])
    assert isinstance(good, NluResult)
    assert isinstance(bad, InputError)


def test_version_follows_the_weights(folder: Path, save_bert: SaveModel) -> None:
    other = save_bert("BertForSequenceClassification", seed=1, id2label=LABELS)
    versions = set()
    for path in (folder, other):
        model = HuggingFaceClassifier(str(path))
        model.load()
        versions.add(model.version)
    assert len(versions) == 2


def test_the_error_for_a_token_classifier_names_the_right_model(save_bert: SaveModel) -> None:
    folder = save_bert("BertForTokenClassification", id2label=LABELS)
    with pytest.raises(ModelError, match="model: huggingface_entities"):
        HuggingFaceClassifier(str(folder)).load()


def test_the_error_for_an_encoder_folder_names_the_right_model(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match=r"says BertModel.*option `encoder`"):
        HuggingFaceClassifier(str(tiny_bert)).load()


def test_regression_is_refused(save_bert: SaveModel) -> None:
    folder = save_bert("BertForSequenceClassification", id2label={0: "stars"})
    with pytest.raises(ModelError, match="1 label"):
        HuggingFaceClassifier(str(folder)).load()
