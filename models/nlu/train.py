"""Train an intent head: `python -m models.nlu.train --data FILE.jsonl --out FOLDER`.

Without `--data` it trains on phrases composed by `models.nlu.phrases`, like the shipped head.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.base import ModelError
from models.nlu.encoder import SentenceEncoder
from models.nlu.head_rating import rate_head
from models.nlu.head_training import fit_head, fit_head_with_threshold
from models.nlu.intent_head import IntentHead
from models.nlu.phrases import generate
from models.nlu.sentence_folder import Pooling

Pairs = list[tuple[str, str]]


def read_pairs(path: Path) -> Pairs:
    """Read JSON lines of {"text": ..., "intent": ...}; other keys and blank lines are skipped.

    Raises:
        ModelError: the file is absent, or a line is invalid; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"can't read {path}: {error}") from error
    return [
        _read_pair(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _read_pair(line: str, where: str) -> tuple[str, str]:
    try:
        pair = json.loads(line)
        text, intent = pair["text"], pair["intent"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where}: expected an object with `text` and `intent`") from error
    if not (isinstance(text, str) and isinstance(intent, str) and text and intent):
        raise ModelError(f"{where}: expected `text` and `intent` to be strings, not empty")
    return text, intent


def train_head(
    pairs: Pairs, encoder: SentenceEncoder, min_score: float | None = None
) -> IntentHead:
    """Encode the texts with a loaded encoder and fit a head.

    Args:
        pairs: (text, intent); `oos` is the intent of texts that fit no other.
        encoder: a loaded encoder.
        min_score: the head's threshold; None: by cross-validation, which is right if the texts are
            independent and too high if they are variants of a few templates.

    Raises:
        ModelError: fewer than two intents, or an intent with a single text.
    """
    if not pairs:
        raise ModelError("no texts to train on: expected at least two of each intent")
    vectors = encoder.encode([text for text, _ in pairs])
    intents = [intent for _, intent in pairs]
    if min_score is None:
        return fit_head_with_threshold(vectors, intents, encoder.settings)
    return replace(fit_head(vectors, intents, encoder.settings), min_score=min_score)


def describe(head: IntentHead, pairs: Pairs, encoder: SentenceEncoder) -> str:
    """Return a line about the head's quality on texts that it was not trained on."""
    vectors = encoder.encode([text for text, _ in pairs])
    rating = rate_head(head, vectors, [intent for _, intent in pairs])
    return (
        f"{len(pairs)} held-out texts: in-scope accuracy {rating.in_scope_accuracy:.3f}, "
        f"out-of-scope recall {rating.oos_recall:.3f}"
    )


@dataclass(frozen=True)
class HeadTraining:
    """What decides a trained head, and where it is written."""

    out: Path
    """The head's folder."""
    data: Path | None = None
    """JSON lines to train on; None: composed phrases."""
    test: Path | None = None
    """JSON lines to rate the head on; None with composed phrases: those of other templates."""
    encoder: str = "minilm"
    pooling: Pooling = "mean"
    min_score: float | None = None
    """See `train_head`."""
    device: str = "cpu"
    seed: int = 0
    """Seed of the composed phrases."""


def train(config: HeadTraining) -> Path:
    """Train a head, save it, print its quality on held-out texts, and return its folder.

    Raises:
        ModelError: a file or the encoder is absent or invalid, or there are too few texts.
    """
    pairs = read_pairs(config.data) if config.data else generate(config.seed, "train")
    test = read_pairs(config.test) if config.test else []
    if not config.data and not config.test:
        test = generate(config.seed, "test")
    encoder = SentenceEncoder(config.encoder, pooling=config.pooling)
    encoder.load(config.device)
    head = train_head(pairs, encoder, config.min_score)
    head.save(config.out)
    print(
        f"{config.out}: {len(pairs)} texts, {len(head.labels)} labels, min_score {head.min_score}"
    )
    if test:
        print(describe(head, test, encoder))
    return config.out


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save, rate; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        train(HeadTraining(**vars(options)))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.nlu.train", description=__doc__)
    parser.add_argument("--data", type=Path, help="JSON lines to train on (composed phrases)")
    parser.add_argument("--test", type=Path, help="JSON lines to rate the head on")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the head to")
    parser.add_argument(
        "--encoder", default="minilm", help="minilm, roberta, a folder, or a hub id"
    )
    parser.add_argument("--pooling", default="mean", choices=["mean", "first"])
    parser.add_argument("--min-score", type=float, help="0 to 1; default: by cross-validation")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--seed", type=int, default=0, help="seed of the composed phrases")
    return parser


if __name__ == "__main__":
    sys.exit(main())
