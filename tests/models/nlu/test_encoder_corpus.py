from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.encoder_corpus import read_corpus, read_examples, vary


@pytest.fixture
def texts_dir(tmp_path: Path) -> Path:
    """Make small files in the formats of CLINC150, WNUT 2017 and WordNet."""
    for folder in ("clinc150", "wnut17", "wordnet"):
        (tmp_path / folder).mkdir()
    rows = [
        {"split": "train", "text": f"please move {n} euros to my brother"} for n in range(30)
    ] + [{"split": "test", "text": "a text that must stay unseen"}]
    with gzip.open(tmp_path / "clinc150" / "clinc150.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with gzip.open(tmp_path / "wnut17" / "train.conll.gz", "wt") as file:
        file.write("Empire\tB-location\nState\tI-location\n\n\nhello\tO\nyou\tO\n")
    gloss = '0001 29 v 01 say 0 000 | to say; "He said it twice today"; "Word"\n'
    for name in ("noun", "verb", "adj", "adv"):
        (tmp_path / "wordnet" / f"data.{name}").write_text("  1 a licence\n" + gloss)
    return tmp_path


def test_texts_come_from_every_source_but_no_test_split(texts_dir: Path) -> None:
    texts = read_corpus(texts_dir, texts_dir / "wordnet", seed=3)
    assert {"Empire State", "hello you", "He said it twice today"} <= set(texts)
    assert "please move 7 euros to my brother" in texts
    assert "a text that must stay unseen" not in texts
    assert len(texts) == len(set(texts)) > 1000  # with the composed phrases


def test_the_same_seed_gives_the_same_texts(texts_dir: Path) -> None:
    first, again, other = (read_corpus(texts_dir, None, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_absent_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="clinc150"):
        read_corpus(tmp_path, None, seed=0)


def test_a_variant_has_words_of_its_texts_only() -> None:
    texts = ["move money to my brother", "what is the weather like"]
    chance = random.Random(0)
    variants = {vary(texts, chance) for _ in range(50)}
    words = set(" ".join(texts).split())
    assert all(set(variant.split()) <= words for variant in variants)
    assert len(variants) > 10


def test_single_words_and_headers_are_no_examples(texts_dir: Path) -> None:
    assert read_examples(texts_dir / "wordnet") == ["He said it twice today"] * 4
