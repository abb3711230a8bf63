"""Train a small RoBERTa that learns the sentence vectors of a teacher, on plain texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from models.base import ModelError
from models.evaluation import Measure
from models.nlu.encoder import SentenceEncoder
from models.nlu.encoder_student import StudentShape
from models.nlu.encoder_training import EncoderTraining
from models.nlu.encoder_training import train as train_student
from models.training.pictures import digest_of
from models.training.result import Trained
from models.training.run_folder import RunFolder
from models.training.settings import Progress, Share, TrainingSettings
from models.training.split import split_rows
from models.training.texts import read_plain

_MAX_MEASURED = 500

USE = """model:
  name: intent_classifier
  options: {encoder: FOLDER, head: HEAD}
# HEAD: made by `penstock train intent` with `encoder: FOLDER`"""


class Settings(TrainingSettings, frozen=True, kw_only=True):
    """Of the encoder."""

    data: Annotated[
        str,
        Meta(
            description="Texts, one a line, or the field `text` of CSV or JSON lines; may be "
            "gzipped. Required."
        ),
    ] = ""
    held_out: Annotated[
        Share,
        Meta(description="Share of the texts that is not trained on, to measure the vectors."),
    ] = 0.02
    teacher: Annotated[
        str, Meta(description="Whose vectors are learned: minilm, a folder, or a hub id.")
    ] = "minilm"
    steps: Annotated[int, Meta(ge=1, description="Of `batch_size` texts.")] = 6000
    batch_size: Annotated[int, Meta(ge=2, description="Texts in a step.")] = 64
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 1e-3
    vocabulary: Annotated[int, Meta(ge=261, description="Tokens of the byte-level BPE.")] = 8000
    width: Annotated[int, Meta(ge=8, description="Of the vectors; a multiple of `heads`.")] = 192
    layers: Annotated[int, Meta(ge=1, description="Of the network.")] = 4
    heads: Annotated[int, Meta(ge=1, description="Attention heads of a layer.")] = 6
    inner: Annotated[int, Meta(ge=8, description="Width inside of a feed-forward block.")] = 512
    max_tokens: Annotated[int, Meta(ge=8, le=4096, description="Longer texts are cut.")] = 128
    checkpoint_seconds: Annotated[
        float, Meta(ge=0, description="A run that was ended goes on from its last checkpoint.")
    ] = 60.0


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the encoder and measure it.

    Raises:
        ModelError: the data or the teacher can't be used.
    """
    if not settings.data:
        raise ModelError("data is missing: name a file of texts in the configuration")
    if settings.width % settings.heads:
        raise ModelError(f"width {settings.width} is no multiple of heads {settings.heads}")
    path = Path(settings.data)
    texts = read_plain(path)
    run.begin("encoder", msgspec.to_builtins(settings), digest_of([path]))
    kept, left = split_rows(len(texts), settings.held_out, settings.seed)
    others = [texts[row] for row in left[:_MAX_MEASURED]]
    if len(kept) < settings.batch_size:
        raise ModelError(
            f"{path}: {len(kept)} distinct texts to train on, batch_size {settings.batch_size}: "
            "expected at least one batch: bring more texts, or set a smaller batch_size"
        )
    train_student(_config(settings, run), [texts[row] for row in kept], run, progress)
    return Trained(
        model="intent_classifier",
        what=f"A RoBERTa (Liu et al., 2019, arXiv:1907.11692) of {settings.layers} layers of width "
        f"{settings.width}, trained from random weights on masked tokens and on the vectors of "
        f"{settings.teacher} (Reimers and Gurevych, 2020, arXiv:2004.09813).",
        data=f"{len(kept)} texts ({path.name}); {len(left)} others held out",
        measures=_measures(run.model, settings.teacher, others),
        use=USE,
        limits=(
            "It is no copy of, and no replacement for, an encoder pretrained on billions of words.",
            f"Texts of more than {settings.max_tokens} tokens are cut.",
        ),
    )


def _config(settings: Settings, run: RunFolder) -> EncoderTraining:
    return EncoderTraining(
        data=Path(settings.data),
        out=run.model,
        steps=settings.steps,
        batch_size=settings.batch_size,
        rate=settings.learning_rate,
        seed=settings.seed,
        checkpoint_seconds=settings.checkpoint_seconds,
        teacher=settings.teacher,
        shape=StudentShape(
            vocabulary=settings.vocabulary,
            width=settings.width,
            layers=settings.layers,
            heads=settings.heads,
            inner=settings.inner,
            max_tokens=settings.max_tokens,
        ),
    )


def _measures(folder: Path, teacher: str, others: list[str]) -> list[Measure]:
    """Return how alike texts are for the student and for its teacher, over all pairs."""
    if len(others) < 3:
        return []
    cosines = []
    for source in (str(folder), teacher):
        encoder = SentenceEncoder(source)
        encoder.load("cpu")
        vectors = encoder.encode(others)
        encoder.close()
        cosines.append((vectors @ vectors.T)[np.triu_indices(len(others), 1)])
    value = float(np.corrcoef(cosines[0], cosines[1])[0, 1])
    return [
        Measure(
            task="nlu",
            dataset=f"{len(others)} held-out texts",
            model="SentenceEncoder",
            metric="correlation with the teacher's cosines",
            value=value,
        )
    ]
