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
    return [found for found in answers if isinstance(found, NluResult)]


def test_answers_are_transformers_own(folder: Path) -> None:
    import torch
    from transformers import BertForSequenceClassification

    reference = BertForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        expected = reference(torch.tensor([[2, 5, 3]])).logits[0].softmax(dim=0).tolist()
    (found,) = answer(HuggingFaceClassifier(str(folder)), ["hello"])
    scores = {found.intent: found.score} | {a.intent: a.score for a in found.alternatives}
    assert scores == pytest.approx(dict(zip(LABELS.values(), expected, strict=True)), abs=2e-6)
    assert found.score == max(scores.values())


def test_neighbors_do_not_change_an_answer(folder: Path) -> None:
    model = HuggingFaceClassifier(str(folder), top_k=0)
    together = answer(model, TEXTS)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = answer(model, [text])
        assert found.intent == alone.intent
        assert found.score == pytest.approx(alone.score, abs=1e-5)


def test_multi_label_scores_are_sigmoids(save_bert: SaveModel) -> None:
    folder = save_bert(
        "BertForSequenceClassification",
        id2label=LABELS,
        problem_type="multi_label_classification",
    )
    (found,) = answer(HuggingFaceClassifier(str(folder)), ["hello"])
    total = found.score + sum(a.score for a in found.alternatives)
    assert total != pytest.approx(1, abs=1e-3)


def test_threshold_gives_out_of_scope(folder: Path) -> None:
    (found,) = answer(HuggingFaceClassifier(str(folder), min_score=1.0), ["hello"])
    assert found.intent == "oos"


def test_bad_text_hurts_only_itself(folder: Path) -> None:
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


def test_encoder_folder_is_told_where_it_belongs(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match=r"says BertModel.*option `encoder`"):
        HuggingFaceClassifier(str(tiny_bert)).load()


def test_regression_is_refused(save_bert: SaveModel) -> None:
    folder = save_bert("BertForSequenceClassification", id2label={0: "stars"})
    with pytest.raises(ModelError, match="1 label"):
        HuggingFaceClassifier(str(folder)).load()
