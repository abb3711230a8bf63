"""The texts that the small RoBERTa is trained on. They are read at training time, never shipped."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path

from models.base import ModelError
from models.nlu.phrases import generate

#: Sentences between quotation marks in a WordNet gloss are examples of use.
_EXAMPLE = re.compile(r'"([^"]{12,160})"')
_WORDNET_FILES = ("data.noun", "data.verb", "data.adj", "data.adv")

#: Numbers of composed texts: chosen so that the teacher reads everything in some CPU minutes.
_PHRASE_SEEDS = (1001, 1002, 1003)
_NUM_VARIANTS = 5000
_NUM_EXAMPLES = 7000
_DROP_SHARE = 0.15


def read_corpus(data_dir: Path, wordnet: Path | None, seed: int) -> list[str]:
    """Return distinct texts in random order; the same arguments give the same list.

    Args:
        data_dir: contains `clinc150/clinc150.jsonl.gz` and `wnut17/train.conll.gz`. Only the train
            splits are read.
        wordnet: a folder with WordNet's data.noun, data.verb, data.adj and data.adv (Debian's
            package wordnet-base installs /usr/share/wordnet); None: without its examples.
        seed: of the variants, the choice of examples, and the order.

    Raises:
        ModelError: a file is absent.
    """
    chance = random.Random(seed)
    try:
        clinc = _read_clinc(data_dir / "clinc150" / "clinc150.jsonl.gz")
        posts = _read_posts(data_dir / "wnut17" / "train.conll.gz")
        examples = read_examples(wordnet) if wordnet else []
    except OSError as error:
        raise ModelError(f"can't read {error.filename}: {error.strerror}") from error
    phrases = [text for one in _PHRASE_SEEDS for text, _ in generate(one, "train")]
    variants = [vary(clinc, chance) for _ in range(_NUM_VARIANTS)]
    chosen = chance.sample(examples, min(_NUM_EXAMPLES, len(examples)))
    texts = list(dict.fromkeys([*clinc, *posts, *phrases, *variants, *chosen]))
    chance.shuffle(texts)
    return texts


def vary(texts: list[str], chance: random.Random) -> str:
    """Return the beginning of one text and the end of another, or a text without some words.

    The teacher gives each variant its vector, so a variant needs no label.
    """
    words = chance.choice(texts).split()
    if chance.random() < 0.5:
        other = chance.choice(texts).split()
        words = words[: (len(words) + 1) // 2] + other[len(other) // 2 :]
    else:
        words = [word for word in words if chance.random() > _DROP_SHARE] or words
    return " ".join(words)


def read_examples(folder: Path) -> list[str]:
    """Return the examples of use in WordNet's glosses, in the order of its files.

    Raises:
        OSError: one of the four files is absent.
    """
    examples: list[str] = []
    for name in _WORDNET_FILES:
        for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines():
            _, _, gloss = line.partition(" | ")
            examples += [text for text in _EXAMPLE.findall(gloss) if " " in text]
    return examples


def _read_clinc(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["text"] for row in rows if row["split"] == "train"]


def _read_posts(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().split("\n\n")
    posts = [[line.split("\t")[0] for line in block.splitlines() if line] for block in blocks]
    return [" ".join(tokens) for tokens in posts if tokens]
