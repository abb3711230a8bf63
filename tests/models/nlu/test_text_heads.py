from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.base import Model, ModelError
from models.nlu.entity_recognizer import EntityRecognizer
from models.nlu.intent_classifier import IntentClassifier
from models.nlu.sentence_embedder import SentenceEmbedder
from models.nlu.shared_encoder import SharedText
from models.nlu.text_heads import TextHeads
from models.nlu.zero_shot import ZeroShot
from models.registry import make_model
from schemas import InputError, TextMessage, TextUnderstanding
from tests.models.contract import assert_alike

LABELS = {"weather": "a question about the weather", "order": ["where is my parcel", "delivery"]}
TEXTS = [
    "will it rain in Berlin tomorrow",
    "where is my order? Ann Smith",
    "  ",
    "Barack Obama visited Paris. " * 120,  # several windows
    "\udfff",
    "thanks",
]
#: Another batch shape sums float32 in another order.
TOLERANCE = 1e-4


def answers(model: Model[Any, Any]) -> list[Any]:
    return list(model.predict_batch([TextMessage(text=text) for text in TEXTS]))


def loaded(model: Model[Any, Any]) -> list[Any]:
    model.load()
    results = answers(model)
    model.close()
    return results


@pytest.fixture(scope="module")
def heads(minilm: str) -> Iterator[TextHeads]:
    model = TextHeads(
        encoder=minilm,
        intent={"top_k": 2},
        entities={"min_score": 0.3},
        zero_shot={"labels": LABELS},
        embedding=True,
    )
    model.load()
    yield model
    model.close()


def assert_equal_fields(heads: TextHeads, single: list[Any], *names: str) -> None:
    together = answers(heads)
    assert len(together) == len(single) == len(TEXTS)
    for all_heads, one in zip(together, single, strict=True):
        if isinstance(one, InputError):
            assert_alike(all_heads, one, TOLERANCE)
            continue
        assert isinstance(all_heads, TextUnderstanding)
        for name in names:
            assert_alike(getattr(all_heads, name), getattr(one, name), TOLERANCE)
    assert sum(isinstance(answer, InputError) for answer in together) == 2


def test_the_intent_is_that_of_the_intent_classifier(heads: TextHeads, minilm: str) -> None:
    single = loaded(IntentClassifier(encoder=minilm, top_k=2))
    assert_equal_fields(heads, single, "intent", "score", "alternatives", "is_truncated")
    assert single[3].is_truncated


def test_the_entities_are_those_of_the_entity_recognizer(heads: TextHeads, minilm: str) -> None:
    single = loaded(EntityRecognizer(encoder=minilm, min_score=0.3))
    assert len(single[3].entities) > 100  # also behind the first window
    assert_equal_fields(heads, single, "entities")
    assert [getattr(answer, "is_search_truncated", None) for answer in answers(heads)] == [
        getattr(answer, "is_truncated", None) for answer in single
    ]


def test_the_label_is_that_of_zero_shot(heads: TextHeads, minilm: str) -> None:
    single = loaded(ZeroShot(LABELS, encoder=minilm))
    assert [getattr(answer, "label", 0) for answer in single[:2]] == ["weather", "order"]
    assert_equal_fields(heads, single, "label", "labels", "is_truncated")


def test_the_vector_is_that_of_the_sentence_encoder(heads: TextHeads, minilm: str) -> None:
    assert_equal_fields(heads, loaded(SentenceEmbedder(encoder=minilm)), "embedding")


def test_the_encoder_runs_once(heads: TextHeads) -> None:
    """Each window of a text is in one call of the network, whatever the number of heads."""
    network, rows = heads._encoder._network, []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(network, name)

        def __call__(self, ids: Any, mask: Any) -> Any:
            rows.append(len(ids))
            return network(ids, mask)

        def hidden_states(self, ids: Any, mask: Any) -> Any:
            rows.append(len(ids))
            return network.hidden_states(ids, mask)

    heads._encoder._network = Counting()
    try:
        prepared = heads.prepare_batch([TextMessage(text=text) for text in TEXTS])
        heads.predict_prepared(prepared)
    finally:
        heads._encoder._network = network
    good = [slot for slot in prepared.slots if isinstance(slot, SharedText)]
    windows = [len(text.windowed.windows) for text in good]
    assert max(windows) > 1
    assert sum(rows) == sum(windows)
    assert len(rows) == len(prepared.passes)


def test_fields_of_absent_heads_are_null(minilm: str) -> None:
    first = loaded(TextHeads(encoder=minilm, embedding=True))[0]
    assert first.embedding is not None
    assert first.intent is first.score is first.entities is first.label is first.labels is None


def test_the_version_follows_the_heads(minilm: str) -> None:
    versions = set()
    choices: list[dict[str, Any]] = [
        {},
        {"intent": {}},
        {"zero_shot": {"labels": ["a", "b"]}},
        {"zero_shot": {"labels": ["a", "c"]}},
    ]
    for options in choices:
        model = make_model(TextHeads, {"encoder": minilm, **options})
        model.load()
        versions.add(model.version)
        model.close()
    assert len(versions) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intent": {"embedding": True}}, "intent has no option embedding: its options are head"),
        ({"intent": True}, r"intent is True: expected its options, such as \{\}"),
        ({"zero_shot": {}}, "zero_shot lacks `labels`"),
        ({"zero_shot": {"labels": []}}, "expected a list of names"),
        ({"entities": {"min_score": 2}}, "option min_score is 2"),
        ({"max_tokens": 3}, "max_tokens is 3"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(TextHeads, options)


def test_a_head_of_another_encoder_is_refused() -> None:
    with pytest.raises(ModelError, match="trained on another encoder than 'roberta'"):
        TextHeads(encoder="roberta", intent={}).load()
