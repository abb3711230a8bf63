"""Train an entity head: `python -m models.nlu.train_entities --data DIR/wnut17 --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.base import ModelError
from models.nlu.entity_data import EntityScores, TaggedText, rate_entities, read_tagged
from models.nlu.entity_encoder import EntityEncoder
from models.nlu.entity_recognizer import EntityRecognizer
from models.nlu.entity_training import EntityTraining, bio_labels, encode_words, train_head
from schemas import TextEntities, TextMessage

_BATCH = 64


@dataclass(frozen=True)
class EntityConfig:
    """What `train` needs."""

    data: Path
    """A gzip file of CoNLL columns, or a folder with `train.conll.gz`."""
    out: Path
    """The folder to write the head to; created if absent."""
    encoder: str = "minilm"
    device: str = "cpu"
    held_out: float = 0.0
    """Share of the texts, the last ones, that is not trained on, 0 to 0.9: to choose settings."""
    training: EntityTraining = field(default_factory=EntityTraining)


def train(config: EntityConfig) -> Path:
    """Train a head, save it, and print what it can do on held-out texts.

    Returns:
        The folder of the head.

    Raises:
        ModelError: the data or the encoder can't be read.
    """
    if not 0 <= config.held_out <= 0.9:
        raise ModelError(f"held_out is {config.held_out}: expected 0 to 0.9")
    texts = _read(config.data)
    count = len(texts) - round(len(texts) * config.held_out)
    labels = bio_labels(texts[:count])
    if len(labels) < 2:
        raise ModelError(f"{config.data} has no entities in its first {count} texts")
    encoder = EntityEncoder(config.encoder, 256, 64, 16)
    encoder.load(config.device, config.training.layers)
    words = encode_words(encoder, texts[:count], labels)
    head = train_head(words, labels, encoder.fingerprint, config.training, _print_epoch)
    encoder.close()
    head.save(config.out)
    print(f"{config.out}: {count} texts, {len(labels)} tags")
    if count < len(texts):
        print(describe(rate(config.out, texts[count:], config.encoder), len(texts) - count))
    return config.out


def rate(
    head: Path, texts: Sequence[TaggedText], encoder: str = "minilm", device: str = "cpu"
) -> EntityScores:
    """Find the entities of some texts, as in a worker, and compare them with the true ones."""
    model = EntityRecognizer(encoder, head=str(head))
    model.load(device)
    found = []
    for start in range(0, len(texts), _BATCH):
        batch = [TextMessage(text=text.text) for text in texts[start : start + _BATCH]]
        for answer in model.predict_batch(batch):
            entities = answer.entities if isinstance(answer, TextEntities) else []
            found.append(frozenset((e.label, e.start, e.end) for e in entities))
    model.close()
    return rate_entities(found, [text.entities for text in texts])


def describe(scores: EntityScores, count: int) -> str:
    """Return a line about entities found in `count` texts."""
    return (
        f"{count} held-out texts: entity F1 {scores.f1:.3f}, precision {scores.precision:.3f}, "
        f"recall {scores.recall:.3f}"
    )


def _read(path: Path) -> list[TaggedText]:
    file = path / "train.conll.gz" if path.is_dir() else path
    try:
        return read_tagged(file)
    except (OSError, ValueError) as error:
        raise ModelError(f"can't read {file}: {error}") from error


def _print_epoch(epoch: int, loss: float) -> None:
    print(f"epoch {epoch}: loss {loss:.4f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save, rate; return the exit code."""
    options = _parser().parse_args(arguments)
    training = EntityTraining(
        layers=tuple(options.layers), epochs=options.epochs, seed=options.seed
    )
    config = EntityConfig(
        options.data, options.out, options.encoder, options.device, options.held_out, training
    )
    try:
        train(config)
        if options.test:
            texts = _read(options.test)
            print(describe(rate(options.out, texts, options.encoder, options.device), len(texts)))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.nlu.train_entities", description=__doc__
    )
    known = EntityTraining()
    parser.add_argument("--data", type=Path, required=True, help="FILE.conll.gz to train on")
    parser.add_argument("--test", type=Path, help="FILE.conll.gz to rate the head on")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the head to")
    parser.add_argument("--encoder", default="minilm", help="minilm, a folder, or a hub id")
    parser.add_argument("--layers", type=int, nargs="+", default=known.layers)
    parser.add_argument("--epochs", type=int, default=known.epochs)
    parser.add_argument(
        "--held-out", type=float, default=0.0, help="share not trained on, 0 to 0.9"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--seed", type=int, default=known.seed)
    return parser


if __name__ == "__main__":
    sys.exit(main())
