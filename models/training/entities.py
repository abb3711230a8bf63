"""Train an entity head on a frozen encoder, on CoNLL columns.

It takes minutes: a run that was ended starts again and gives the same head.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from models.base import ModelError
from models.evaluation import Measure
from models.nlu.entity_data import TaggedText, read_tagged
from models.nlu.entity_encoder import EntityEncoder
from models.nlu.entity_training import EntityTraining, bio_labels, encode_words, train_head
from models.nlu.train_entities import rate
from models.training.pictures import digest_of
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import Progress, Share, TrainingSettings
from models.training.split import split_rows

_ENCODED_AT_ONCE = 64
#: As `entity_recognizer` reads long texts by default.
_WINDOW = (256, 64, 16)

USE = """model: FOLDER"""


class Settings(TrainingSettings, frozen=True, kw_only=True):
    """Of the entity head."""

    data: Annotated[
        str,
        Meta(
            description="CoNLL columns: a token first and its tag (BIO) last on a line, an empty "
            "line after each text; may be gzipped. Required."
        ),
    ] = ""
    test: Annotated[
        str | None,
        Meta(description="The same, to measure the head with; null: `held_out` of data."),
    ] = None
    held_out: Annotated[
        Share, Meta(description="Share of the texts that is not trained on, without `test`.")
    ] = 0.1
    encoder: Annotated[str, Meta(description="minilm, a folder, or a hub id.")] = "minilm"
    layers: Annotated[
        tuple[int, ...],
        Meta(min_length=1, description="The encoder's hidden states that the head reads."),
    ] = EntityTraining.layers
    width: Annotated[int, Meta(ge=1, description="Of the head's layers.")] = EntityTraining.width
    epochs: Annotated[int, Meta(ge=1, description="How often each text is seen.")] = (
        EntityTraining.epochs
    )
    learning_rate: Annotated[float, Meta(gt=0, description="The highest.")] = (
        EntityTraining.learning_rate
    )
    device: Annotated[str, Meta(description="cpu or cuda:N, for the encoder.")] = "cpu"


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train a head, write and measure it.

    Raises:
        ModelError: the data or the encoder can't be used.
    """
    texts, others, words = _read(settings, run)
    labels = bio_labels(texts)
    if len(labels) < 2:
        raise ModelError(f"{settings.data}: no entity in the {len(texts)} texts to train on")
    encoder = EntityEncoder(settings.encoder, *_WINDOW)
    encoder.load(settings.device, settings.layers)
    encoded = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        encoded += encode_words(encoder, texts[start : start + _ENCODED_AT_ONCE], labels)
        progress("texts", min(start + _ENCODED_AT_ONCE, len(texts)), len(texts))
    run.forget_after(0)

    def on_epoch(epoch: int, loss: float) -> None:
        run.record(epoch, loss=loss)
        progress("epochs", epoch, settings.epochs)

    how = EntityTraining(
        layers=settings.layers,
        width=settings.width,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
    )
    head = train_head(encoded, labels, encoder.fingerprint, how, on_epoch)
    encoder.close()
    head.save(run.model)
    declared = serving("entity_recognizer", {"head": "."}, encoder=settings.encoder)
    write_config(run.model, {"labels": list(labels), **declared})
    return Trained(
        model="entity_recognizer",
        what="A convolution over five words on hidden states of a frozen encoder "
        f"({settings.encoder}) and on how words are written (after Collobert et al., 2011, JMLR).",
        data=words,
        measures=_measures(run.model, others, settings),
        use=USE,
        limits=("It needs the same encoder, byte for byte: another one is refused.",),
    )


def _read(settings: Settings, run: RunFolder) -> tuple[list[TaggedText], list[TaggedText], str]:
    if not settings.data:
        raise ModelError("data is missing: name a file of CoNLL columns in the configuration")
    path = Path(settings.data)
    texts = _tagged(path)
    others = _tagged(Path(settings.test)) if settings.test else []
    files = [path, *([Path(settings.test)] if settings.test else [])]
    run.begin("entities", msgspec.to_builtins(settings), digest_of(files))
    if not settings.test:
        kept, left = split_rows(len(texts), settings.held_out, settings.seed)
        texts, others = [texts[row] for row in kept], [texts[row] for row in left]
    return texts, others, f"{len(texts)} texts ({path.name}); {len(others)} others held out"


def _tagged(path: Path) -> list[TaggedText]:
    try:
        texts = read_tagged(path)
    except (OSError, EOFError, ValueError) as error:
        raise ModelError(f"can't read {path}: {error}") from error
    if not texts:
        raise ModelError(f"{path}: no text in it")
    return texts


def _measures(folder: Path, others: list[TaggedText], settings: Settings) -> list[Measure]:
    if not others:
        return []
    scores = rate(folder, others, settings.encoder, settings.device)
    figures = {
        "entity F1": scores.f1,
        "entity precision": scores.precision,
        "entity recall": scores.recall,
    }
    dataset = f"{len(others)} held-out texts"
    return [
        Measure(task="nlu", dataset=dataset, model="entity_recognizer", metric=name, value=value)
        for name, value in figures.items()
    ]
