from __future__ import annotations

from collections import Counter

import pytest

from models.nlu.phrases import Split, _templates, generate, intents


def test_the_same_seed_gives_the_same_texts() -> None:
    assert generate(3, "train") == generate(3, "train")
    assert generate(3, "train") != generate(4, "train")


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_intent_has_texts_and_no_text_occurs_twice(split: Split) -> None:
    pairs = generate(0, split)
    counts = Counter(intent for _, intent in pairs)
    assert sorted(counts) == intents()
    assert min(counts.values()) >= 20
    assert len({text for text, _ in pairs}) == len(pairs)
    assert not any("{" in text for text, _ in pairs)


def test_no_template_is_in_both_splits() -> None:
    train, test = (
        {template.lower() for group in _templates()[split].values() for template in group}
        for split in ("train", "test")
    )
    assert not train & test


def test_no_text_is_in_both_splits() -> None:
    assert not {t for t, _ in generate(0, "train")} & {t for t, _ in generate(0, "test")}
