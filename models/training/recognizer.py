"""Train the streaming recognizer on sentences that programs speak."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from models.evaluation import Measure
from models.speech.alphabet import SYMBOLS
from models.speech.augment import vary_sound
from models.speech.corpus import CHOICE_SEED, Recordings, Spoken, to_judge, to_train_on
from models.speech.features import NUM_MELS
from models.speech.voices import require_programs
from models.training.loop import Plan, Rows, Stage, train_network
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress

#: The first stages have the shortest quarter of the sentences.
_FIRST_SHARE = 0.25
_NUM_CHOICE = 96
#: Programs that speak at the same time.
_NUM_SPEAKERS = 2

USE = """model: FOLDER"""


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the recognizer."""

    num_sentences: Annotated[
        int, Meta(ge=32, description="Spoken sentences to train on; 6,000 are about 5 hours.")
    ] = 6000
    hidden: Annotated[int, Meta(ge=8, description="Units of a layer of the encoder.")] = 256
    layers: Annotated[int, Meta(ge=1, le=12, description="Layers of the encoder.")] = 3
    joint: Annotated[int, Meta(ge=8, description="Width of prediction and joiner.")] = 128
    epochs: Annotated[
        int, Meta(ge=1, description="How often each sentence is heard, all stages together.")
    ] = 4
    first_epochs: Annotated[
        int, Meta(ge=0, description="Epochs of each of both stages that find the first letters.")
    ] = 0
    encoder_epochs: Annotated[
        int, Meta(ge=0, description="Epochs after them in which the encoder is trained alone.")
    ] = 0
    batch_size: Annotated[int, Meta(ge=2, description="Sentences in a step.")] = 10
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 2e-3
    num_measured: Annotated[
        int, Meta(ge=0, description="Held-out sentences to measure by, of each kind of voice.")
    ] = 200


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: a program that speaks is absent.
    """
    import torch

    from models.training.recognizer_network import RecognizerInTraining

    run.begin("recognizer", msgspec.to_builtins(settings), "spoken by programs")
    require_programs()
    spoken = to_train_on(settings.seed, settings.num_sentences)
    choice = to_judge(CHOICE_SEED, min(_NUM_CHOICE, settings.num_sentences), unseen=False)
    sounds = _record(run, "train", spoken, progress)
    choice_sounds = _record(run, "choice", choice, progress)
    lessons = _Lessons(sounds, [one.text for one in spoken], settings.batch_size)
    judged = [one.text for one in choice]
    plan = Plan(
        len(spoken),
        lessons.all_together,
        lambda net: _held_out_loss(net, choice_sounds, judged),
        weight_decay=0.01,
        clip=5.0,
        average_decay=0.998,
        stages=(
            Stage(settings.first_epochs, lessons.first_letters),
            Stage(settings.first_epochs, lessons.first_words),
            Stage(settings.encoder_epochs, lessons.encoder_alone),
        ),
    )
    torch.manual_seed(settings.seed)
    network = RecognizerInTraining(settings.hidden, settings.layers, settings.joint)
    trained = train_network(network, plan, settings, run, progress)
    write_model(trained.transducer, trained.shape, run.model)
    hours = float(sounds.lengths.sum()) / 16_000 / 3600
    return Trained(
        model="speech_recognizer",
        what="A transducer (Graves, 2012, arXiv:1211.3711) of letters with a causal encoder of "
        f"convolutions and {settings.layers} LSTM layers, trained from random weights.",
        data=f"{len(spoken)} sentences of a grammar (models/speech/grammar.py), {hours:.1f} hours, "
        "spoken by hibari-tts, espeak-ng and flite",
        measures=_measures(run.model, settings.num_measured),
        use=USE,
        limits=(
            "It has heard machines only, and about 300 words: nothing is known of people's voices.",
            "Letters a to z and the apostrophe; numbers come out as words.",
        ),
    )


class _Lessons:
    """The loss of each stage, of sentences that are about as long as one of the step's.

    Padding would cost as much as sound, so the step's first example alone says which they are.
    """

    def __init__(self, sounds: Recordings, texts: list[str], size: int) -> None:
        self._sounds, self._texts, self._size = sounds, texts, size
        self._by_length = np.argsort(sounds.lengths, kind="stable")
        self._rank = np.argsort(self._by_length)

    def first_letters(self, net: Any, rows: Rows, _: np.random.Generator) -> Any:
        """Return the loss of letters at even places, in short sentences as they are."""
        return net.first_letters(*self._still(self._near(rows, _FIRST_SHARE)))

    def first_words(self, net: Any, rows: Rows, _: np.random.Generator) -> Any:
        """Return the loss of the encoder alone, in short sentences as they are."""
        return net.ctc_loss(*self._still(self._near(rows, _FIRST_SHARE)), None)

    def encoder_alone(self, net: Any, rows: Rows, chance: np.random.Generator) -> Any:
        """Return the loss of the encoder alone, in varied sentences."""
        return net.ctc_loss(*self._varied(self._near(rows), chance), chance)

    def all_together(self, net: Any, rows: Rows, chance: np.random.Generator) -> Any:
        """Return the loss of the transducer and of its encoder, in varied sentences."""
        return net.loss(*self._varied(self._near(rows), chance), chance)

    def _near(self, rows: Rows, share: float = 1.0) -> list[int]:
        """Return sentences of the shortest `share`."""
        first = int(self._rank[rows[0]] * share - self._size // 2)
        first = min(max(first, 0), len(self._rank) - self._size)
        return [int(row) for row in self._by_length[first : first + self._size]]

    def _still(self, rows: list[int]) -> tuple[list[Any], list[str]]:
        return [_as_floats(self._sounds[row]) for row in rows], [self._texts[row] for row in rows]

    def _varied(self, rows: list[int], chance: np.random.Generator) -> tuple[list[Any], list[str]]:
        sounds = [vary_sound(self._sounds[row], chance) for row in rows]
        return sounds, [self._texts[row] for row in rows]


def _held_out_loss(net: Any, sounds: Recordings, texts: list[str]) -> float:
    still = [_as_floats(sounds[row]) for row in range(len(sounds))]
    parts = [
        float(net.loss(still[at : at + 16], texts[at : at + 16], None))
        for at in range(0, len(still), 16)
    ]
    return float(np.mean(parts))


def _as_floats(samples: Any) -> Any:
    """Return recorded samples as float32 in [-1, 1]."""
    return samples.astype(np.float32) / 32768


def _record(run: RunFolder, name: str, spoken: list[Spoken], progress: Progress) -> Recordings:
    """Let programs speak, once for a run."""
    made: list[Recordings] = []

    def sounds() -> Recordings:
        if not made:
            parts = []
            with ThreadPoolExecutor(_NUM_SPEAKERS) as pool:
                for number, sound in enumerate(pool.map(Spoken.samples, spoken), 1):
                    parts.append(sound)
                    progress("sentences", number, len(spoken))
            made.append(Recordings.of(parts))
        return made[0]

    def fill_ends(array: Any) -> None:
        array[:] = sounds().ends

    def fill_samples(array: Any) -> None:
        array[:] = sounds().samples

    # The ends first: they say how long the other array is.
    ends = run.prepared(f"{name}_ends", (len(spoken),), np.int64, fill_ends)
    samples = run.prepared(f"{name}_samples", (int(ends[-1]),), np.int16, fill_samples)
    return Recordings(samples, np.asarray(ends))


def write_model(transducer: Any, shape: Any, folder: Path) -> None:
    """Write weights, in half precision, and config.json.

    Args:
        transducer: with a `SpeechEncoder`.
        shape: its `TransducerShape`.
        folder: created if absent.
    """
    import torch
    from safetensors.torch import save_file

    declared = serving("speech_recognizer", {"path": "."})
    config = {
        "architecture": "speech_transducer",
        "symbols": list(SYMBOLS),
        "num_mels": NUM_MELS,
        "encoder": msgspec.to_builtins(transducer.encoder.shape),
        "transducer": msgspec.to_builtins(shape),
    }
    write_config(folder, {**config, **declared})
    tensors = {
        name: tensor.to(torch.float16).contiguous()
        for name, tensor in transducer.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")


def _measures(folder: Path, number: int) -> list[Measure]:
    if not number:
        return []
    from models.speech.evaluate import word_error_rows

    return [row for row in word_error_rows(str(folder), number) if isinstance(row, Measure)]
