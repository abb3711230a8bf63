"""Train Tacotron 2 on sentences that a teacher speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from models.evaluation import Measure
from models.synthesis.corpus import Corpus
from models.synthesis.mel import AudioFormat
from models.synthesis.pictures import draw_speech
from models.synthesis.recorded import fill_frames
from models.synthesis.sentences import learned_sentences
from models.synthesis.text import CHARACTERS, normalized, symbols_of
from models.synthesis.voice import Voice
from models.synthesis.voice_folder import load_voice
from models.training.loop import Plan, Rows, train_network
from models.training.pictures import digest_of
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress
from models.training.split import split_rows
from models.training.texts import read_plain

if TYPE_CHECKING:
    import torch

#: What the small network is trained on: the window and hop of the paper, at the rate of telephones
#: and recognizers.
AUDIO = AudioFormat(
    sample_rate=16_000,
    fft_size=1024,
    window_size=800,
    hop_size=200,
    max_hz=7600.0,
    log_mean=-6.0,
    log_scale=3.0,
)


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the synthesizer."""

    data: Annotated[
        str | None,
        Meta(description="Text file, a sentence a line, to be spoken; null: drawn from a grammar."),
    ] = None
    num_sentences: Annotated[
        int, Meta(ge=8, description="Number of drawn sentences, without data.")
    ] = 2000
    max_characters: Annotated[
        int, Meta(ge=20, description="The longest drawn sentence, without data.")
    ] = 60
    max_seconds: Annotated[
        float, Meta(gt=0, le=30, description="The longest sentence, in seconds of speech.")
    ] = 6.0
    frames_per_step: Annotated[
        int, Meta(ge=1, le=8, description="Frames of 12.5 ms that one step predicts.")
    ] = 4
    symbol_size: Annotated[int, Meta(ge=8, multiple_of=2, description="Width of the encoder.")] = (
        192
    )
    rnn_size: Annotated[int, Meta(ge=8, description="Width of both layers of the decoder.")] = 256
    postnet_size: Annotated[int, Meta(ge=8, description="Width of the post-net.")] = 128
    guide: Annotated[
        float, Meta(ge=0, description="Weight of the loss that guides attention; 0: none.")
    ] = 10.0
    epochs: Annotated[int, Meta(ge=1, description="How often each sentence is heard.")] = 60
    batch_size: Annotated[int, Meta(ge=2, description="Sentences in a step.")] = 16
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 1e-3
    held_out: Annotated[
        float, Meta(ge=0, le=0.9, description="Share that is not trained on, for the loss.")
    ] = 0.03


USE = """model: FOLDER"""


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: the data or the teacher can't be used.
    """
    import torch

    from models.synthesis.loss import synthesis_loss
    from models.synthesis.tacotron2 import Tacotron2

    texts, words = _texts(settings, run)
    corpus = _corpus(texts, settings, run, progress)
    kept, left = split_rows(len(texts), settings.held_out, settings.seed)
    torch.manual_seed(settings.seed)
    network = Tacotron2(_config(settings))

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        batch = corpus.batch(corpus.alike(kept, int(rows[0]), len(rows), chance))
        return synthesis_loss(
            net(*batch), batch.frames, batch.num_frames, batch.num_symbols, settings.guide
        )

    def held_out_loss(net: Any) -> float:
        torch.manual_seed(settings.seed)  # of the pre-net's dropout
        parts = [corpus.batch(left[i : i + 16]) for i in range(0, len(left), 16)]
        losses = [
            synthesis_loss(net(*p), p.frames, p.num_frames, p.num_symbols, settings.guide)
            for p in parts
        ]
        return float(torch.stack(losses).mean())

    plan = Plan(
        len(kept),
        loss,
        held_out_loss if len(left) else None,
        weight_decay=1e-6,
        clip=1.0,
        average_decay=_AVERAGE_DECAY,
    )
    trained = train_network(network, plan, settings, run, progress)
    _write(trained, texts, run.model)
    return Trained(
        model="tacotron2",
        what="Tacotron 2 (Shen et al., 2018, arXiv:1712.05884), "
        f"{sum(p.numel() for p in trained.parameters()) / 1e6:.1f} M parameters, trained from "
        "random weights.",
        data=words,
        measures=_measures(run, [texts[row] for row in left]),
        use=USE,
        limits=("It has one voice, that of hibari-tts, and the words of its training data.",),
    )


#: Held-out sentences to speak at the end.
_MAX_MEASURED = 100
#: Of the moving average of the weights: about the last 500 steps.
_AVERAGE_DECAY = 0.998


def _texts(settings: Settings, run: RunFolder) -> tuple[list[str], str]:
    """Return the sentences, and what they are in words; begin the run."""
    if settings.data:
        path = Path(settings.data)
        texts = list(dict.fromkeys(filter(None, map(normalized, read_plain(path)))))
        digest, source = digest_of([path]), f"of {path.name}"
    else:
        texts = learned_sentences(settings.seed, settings.num_sentences, settings.max_characters)
        digest, source = "drawn", "drawn from a grammar (models/speech/grammar.py)"
    run.begin("synthesizer", msgspec.to_builtins(settings), digest)
    return texts, f"{len(texts)} sentences {source}, spoken by hibari-tts, voice heart"


def _config(settings: Settings) -> Any:
    from models.synthesis.tacotron2 import Tacotron2Config

    return Tacotron2Config(
        num_symbols=len(CHARACTERS),
        num_mels=AUDIO.num_mels,
        frames_per_step=settings.frames_per_step,
        symbol_size=settings.symbol_size,
        decoder_size=settings.rnn_size,
        attention_rnn_size=settings.rnn_size,
        attention_size=64,
        prenet_size=128,
        postnet_size=settings.postnet_size,
        # The published half is for networks ten times as large: with it, a small one stays mute.
        convolution_dropout=0.1,
    )


def _corpus(texts: list[str], settings: Settings, run: RunFolder, progress: Progress) -> Corpus:
    """Return the sentences as the teacher speaks them, once for a run."""
    frames = run.prepared(
        "frames",
        (
            len(texts),
            2 + int(settings.max_seconds * AUDIO.sample_rate / AUDIO.hop_size),
            AUDIO.num_mels,
        ),
        np.float16,
        lambda array: fill_frames(array, texts, AUDIO, progress),
    )
    symbols = [symbols_of(text) for text in texts]
    return Corpus(symbols, frames, settings.frames_per_step, AUDIO.silence)


def _write(net: Any, texts: Sequence[str], folder: Path) -> None:
    """Write model.safetensors, as float16, and config.json, with the characters that occur."""
    import torch
    from safetensors.torch import save_file

    used = sorted({symbol for text in texts for symbol in symbols_of(text)})
    sizes = msgspec.structs.replace(net.config, num_symbols=len(used))
    declared = serving("tacotron2", {"path": "."})
    config = {
        "architecture": "tacotron2",
        "network": msgspec.to_builtins(sizes),
        "audio": msgspec.to_builtins(AUDIO),
        "characters": "".join(CHARACTERS[symbol] for symbol in used),
    }
    write_config(folder, {**config, **declared})
    tensors = {
        name: (tensor.to(torch.float16) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in net.state_dict().items()
    }
    tensors["embedding.weight"] = tensors["embedding.weight"][used].contiguous()
    save_file(tensors, folder / "model.safetensors")


def _measures(run: RunFolder, texts: Sequence[str]) -> list[Measure]:
    """Speak held-out sentences with the written model; draw the first one."""
    if not texts:
        return []
    network, audio, characters = load_voice(run.model)
    voice = Voice(network, audio)
    texts = texts[:_MAX_MEASURED]
    spoken = voice.speak([symbols_of(text, characters) for text in texts])
    draw_speech(texts[0], spoken[0], audio, run.path / "alignment.png")
    return [
        Measure(
            task="synthesis",
            dataset=f"{len(texts)} held-out sentences",
            model="tacotron2",
            metric="read from the beginning to the end, in order",
            value=sum(not one.faults for one in spoken) / len(spoken),
        )
    ]
