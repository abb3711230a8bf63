"""Train the streaming recognizer on sentences that programs speak."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from models.evaluation import Measure
from models.speech.alphabet import NUM_SYMBOLS, SYMBOLS, encode_text
from models.speech.augment import vary_features, vary_sound
from models.speech.blocks import SUBSAMPLING
from models.speech.corpus import CHOICE_SEED, Recordings, Spoken, to_judge, to_train_on
from models.speech.features import HOP, NUM_MELS, WINDOW, log_mel
from models.speech.voices import require_programs
from models.training.loop import Plan, Rows, train_network
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress

#: Weight of the encoder's own loss (CTC; Graves et al., 2006), which finds alignments sooner.
_CTC_WEIGHT = 0.3
#: Earlier output (Yu et al., 2021, "FastEmit", arXiv:2010.11148).
_FAST_EMIT = 0.005
_NUM_CHOICE = 96
_DROPOUT = 0.1
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
    epochs: Annotated[int, Meta(ge=1, description="How often each sentence is heard.")] = 4
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
    run.begin("recognizer", msgspec.to_builtins(settings), "spoken by programs")
    require_programs()
    spoken = to_train_on(settings.seed, settings.num_sentences)
    choice = to_judge(CHOICE_SEED, min(_NUM_CHOICE, settings.num_sentences), unseen=False)
    sounds = _record(run, "train", spoken, progress)
    choice_sounds = _record(run, "choice", choice, progress)
    # Sentences of a step are about as long: padding would cost as much as sound.
    by_length = np.argsort(sounds.lengths, kind="stable")
    rank = np.argsort(by_length)
    size = settings.batch_size

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> Any:
        first = int(np.clip(rank[rows[0]] - size // 2, 0, len(rank) - size))
        near = by_length[first : first + size]
        return net.loss(
            [vary_sound(sounds[row], chance) for row in near],
            [spoken[row].text for row in near],
            chance,
        )

    def held_out_loss(net: Any) -> float:
        still = [sound.astype(np.float32) / 32768 for sound in _each(choice_sounds)]
        parts = [
            float(net.loss(still[at : at + 16], [s.text for s in choice[at : at + 16]], None))
            for at in range(0, len(still), 16)
        ]
        return float(np.mean(parts))

    plan = Plan(len(spoken), loss, held_out_loss, weight_decay=0.01, clip=5.0, average_decay=0.998)
    trained = train_network(_network(settings), plan, settings, run, progress)
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


def _network(settings: Settings) -> Any:
    import torch
    from torch import nn

    from models.speech.encoder import EncoderShape, SpeechEncoder
    from models.transducer.loss import transducer_loss
    from models.transducer.network import Transducer, TransducerShape

    class Training(nn.Module):
        """The transducer, and a head on its encoder that only training needs."""

        def __init__(self) -> None:
            super().__init__()
            encoder = SpeechEncoder(
                EncoderShape(hidden=settings.hidden, layers=settings.layers), _DROPOUT
            )
            self.shape = TransducerShape(
                joint=settings.joint, hidden=settings.joint, dropout=_DROPOUT
            )
            self.transducer = Transducer(
                encoder,
                encoder_width=settings.hidden,
                num_symbols=NUM_SYMBOLS,
                shape=self.shape,
            )
            self.ctc = nn.Linear(settings.hidden, NUM_SYMBOLS)

        def loss(
            self, sounds: list[Any], texts: list[str], chance: np.random.Generator | None
        ) -> torch.Tensor:
            """Return the mean loss of sentences, per symbol; varied if there is chance."""
            frames, lengths = _spectrograms(sounds, chance)
            encoder: Any = self.transducer.encoder
            encoded, _ = encoder(frames, encoder.start(len(sounds)))
            num_frames = (lengths // SUBSAMPLING).clamp(min=1)
            symbols = [torch.tensor(encode_text(text)) for text in texts]
            targets = nn.utils.rnn.pad_sequence(symbols, batch_first=True)
            num_targets = torch.tensor([len(some) for some in symbols])
            logits = self.transducer(encoded, targets)
            main = transducer_loss(logits, targets, num_frames, num_targets, fast_emit=_FAST_EMIT)
            beside = nn.functional.ctc_loss(
                self.ctc(encoded).log_softmax(-1).transpose(0, 1),
                targets, num_frames, num_targets, reduction="none", zero_infinity=True,
            )  # fmt: skip
            return ((main + _CTC_WEIGHT * beside) / num_targets).mean()

    torch.manual_seed(settings.seed)
    return Training()


def _spectrograms(sounds: list[Any], chance: np.random.Generator | None) -> tuple[Any, Any]:
    """Return (B, T, 80) and lengths (B,), T a multiple of 4; varied if there is chance."""
    import torch

    longest = max(map(len, sounds))
    longest += -(longest - WINDOW) % (4 * HOP)  # whole groups of 4 frames
    padded = np.zeros((len(sounds), longest + 3 * HOP), np.float32)
    for row, sound in enumerate(sounds):
        padded[row, : len(sound)] = sound
    frames = log_mel(torch.from_numpy(padded))
    lengths = torch.tensor([(len(sound) - WINDOW) // HOP + 1 for sound in sounds])
    if chance is not None:
        varied = [vary_features(frames.shape[1], chance) for _ in sounds]
        curves, masks = (np.stack(part) for part in zip(*varied, strict=True))
        frames = (frames + torch.from_numpy(curves)[:, None]) * torch.from_numpy(masks)
    return frames[:, : frames.shape[1] // 4 * 4], lengths


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


def _each(sounds: Recordings) -> list[Any]:
    return [sounds[row] for row in range(len(sounds))]


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
