"""Train an intent head on a frozen encoder: on composed phrases, or on texts with labels.

There are no steps: a run that was ended starts again and gives the same head.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from models.evaluation import Measure
from models.nlu.encoder import SentenceEncoder
from models.nlu.head_rating import rate_head
from models.nlu.head_training import fit_head, fit_head_with_threshold
from models.nlu.intent_head import IntentHead, load_head
from models.nlu.phrases import generate
from models.training.pictures import digest_of
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import Progress, Share, TrainingSettings
from models.training.split import split_by_class
from models.training.texts import Pairs, read_labeled, take

_ENCODED_AT_ONCE = 256

USE = """model: FOLDER"""


class Settings(TrainingSettings, frozen=True, kw_only=True):
    """Of the intent head."""

    data: Annotated[
        str | None,
        Meta(
            description="CSV or JSON lines with `text` and `label`; `oos` is the label of texts "
            "that fit no other; null: composed phrases."
        ),
    ] = None
    test: Annotated[
        str | None,
        Meta(description="The same, to measure the head with; null: `held_out` of data."),
    ] = None
    held_out: Annotated[
        Share, Meta(description="Share of each label that is not trained on, without `test`.")
    ] = 0.1
    encoder: Annotated[str, Meta(description="minilm, roberta, a folder, or a hub id.")] = "minilm"
    pooling: Annotated[
        Literal["mean", "first"], Meta(description="How tokens become the text's vector.")
    ] = "mean"
    min_score: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="Texts with a lower score are `oos`; null: by cross-validation, which is "
            "too high if the texts are variants of a few templates."
        ),
    ] = None
    device: Annotated[str, Meta(description="cpu or cuda:N, for the encoder.")] = "cpu"


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train a head, write and measure it.

    Raises:
        ModelError: the data or the encoder can't be used.
    """
    pairs, others, words = _read(settings, run)
    encoder = SentenceEncoder(settings.encoder, pooling=settings.pooling)
    encoder.load(settings.device)
    vectors = _encode(encoder, [text for text, _ in pairs], progress)
    intents = [intent for _, intent in pairs]
    if settings.min_score is None:
        head = fit_head_with_threshold(vectors, intents, encoder.settings)
    else:
        head = replace(fit_head(vectors, intents, encoder.settings), min_score=settings.min_score)
    head.save(run.model)
    declared = serving("intent_classifier", {"head": "."}, encoder=settings.encoder)
    write_config(run.model, {"labels": list(head.labels), **declared})
    measures = _measures(run.model, others, encoder, progress)
    encoder.close()
    return Trained(
        model="intent_classifier",
        what="Multinomial logistic regression on the vectors of a frozen sentence encoder "
        f"({settings.encoder}), with a threshold of {head.min_score} for texts that fit no intent.",
        data=words,
        measures=measures,
        use=USE,
        limits=("It needs the same encoder, byte for byte: another one is refused.",),
    )


def _read(settings: Settings, run: RunFolder) -> tuple[Pairs, Pairs, str]:
    plain = msgspec.to_builtins(settings)
    files = [Path(name) for name in (settings.data, settings.test) if name]
    test = read_labeled(Path(settings.test)) if settings.test else []
    if settings.data is None:
        run.begin("intent", plain, digest_of(files))
        pairs = generate(settings.seed, "train")
        others = test or generate(settings.seed, "test")
        return pairs, others, f"{len(pairs)} composed phrases; {len(others)} others held out"
    pairs, others = read_labeled(Path(settings.data)), test
    run.begin("intent", plain, digest_of(files))
    if not settings.test:
        labels = [label for _, label in pairs]
        kept, left = split_by_class(labels, settings.held_out, settings.seed)
        pairs, others = take(pairs, kept.tolist()), take(pairs, left.tolist())
    name = Path(settings.data).name
    return pairs, others, f"{len(pairs)} texts ({name}); {len(others)} others held out"


def _encode(
    encoder: SentenceEncoder, texts: list[str], progress: Progress
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    blocks = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        blocks.append(encoder.encode(texts[start : start + _ENCODED_AT_ONCE]))
        progress("texts", min(start + _ENCODED_AT_ONCE, len(texts)), len(texts))
    return np.concatenate(blocks)


def _measures(
    folder: Path, others: Pairs, encoder: SentenceEncoder, progress: Progress
) -> list[Measure]:
    if not others:
        return []
    head: IntentHead = load_head(folder)
    vectors = _encode(encoder, [text for text, _ in others], progress)
    rating = rate_head(head, vectors, [intent for _, intent in others])
    figures = {
        "in-scope accuracy": rating.in_scope_accuracy,
        "out-of-scope recall": rating.oos_recall,
    }
    dataset = f"{len(others)} held-out texts"
    return [
        Measure(task="nlu", dataset=dataset, model="intent_classifier", metric=name, value=value)
        for name, value in figures.items()
        if np.isfinite(value)
    ]
