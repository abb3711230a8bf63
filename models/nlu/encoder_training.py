"""Train the small RoBERTa: `python -m models.nlu.encoder_training --data DIR --out FOLDER`.

Masked tokens are guessed, and MiniLM's sentence vectors are learned (`encoder_student.py`). The run
folder holds checkpoints: the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.encoder import SentenceEncoder
from models.nlu.encoder_corpus import read_corpus
from models.nlu.encoder_student import (
    PAD,
    StudentShape,
    losses,
    make_network,
    mask_tokens,
    principal_axes,
    project,
    teach_words,
    train_tokenizer,
)
from models.nlu.padded import pad

_TEACHER_BLOCK = 2048
#: Batches of similar length are made from pools of this many batches.
_POOL = 16
_WORD_LOSS_WEIGHT = 0.05


@dataclass(frozen=True)
class EncoderTraining:
    """What decides the trained encoder, and where it is written."""

    data: Path
    """See `read_corpus`."""
    out: Path
    """The finished model's folder; the run is kept in `out`/run."""
    wordnet: Path | None = None
    steps: int = 6000
    batch_size: int = 64
    rate: float = 1e-3
    """Highest learning rate; it rises for 3 % of the steps and then falls along a cosine."""
    seed: int = 0
    checkpoint_seconds: float = 120.0
    teacher: str = "minilm"
    shape: StudentShape = field(default_factory=StudentShape)


def train(config: EncoderTraining) -> Path:
    """Train, or go on with a run that was interrupted, and return the model's folder.

    Raises:
        ModelError: data or teacher are absent, or the folder has a run with other settings.
    """
    import torch

    torch.manual_seed(config.seed)
    run = config.out / "run"
    _check_settings(config, run)
    texts = read_corpus(config.data, config.wordnet, config.seed)
    tokenizer = train_tokenizer(texts, config.shape, config.out)
    teacher = SentenceEncoder(config.teacher)
    teacher.load()
    taught = _teacher_vectors(teacher, texts, run)
    axes = principal_axes(taught, config.shape.width)
    network = make_network(config.shape, tokenizer.get_vocab_size())
    teach_words(network, tokenizer, teacher, axes)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    _Training(config, network, tokens, project(taught, axes), run).finish()
    _save(network, config.out)
    return config.out


class _Training:
    """The steps of a run, with its checkpoints."""

    def __init__(
        self,
        config: EncoderTraining,
        network: Any,
        tokens: list[list[int]],
        targets: NDArray[np.float32],
        run: Path,
    ) -> None:
        import torch

        self._config = config
        self._network = network
        self._tokens = tokens
        self._targets = targets
        self._run = run
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.rate, betas=(0.9, 0.98), weight_decay=0.01
        )

    def finish(self) -> None:
        """Run the steps that are left."""
        first = self._resume()
        saved = time.monotonic()
        sums = np.zeros(2)
        self._network.train()
        for step, rows in self._batches(first):
            sums += self._step(step, rows)
            if (step + 1) % 100 == 0:
                print(f"step {step + 1}/{self._config.steps}: vectors {sums[0] / 100:.4f}, "
                      f"words {sums[1] / 100:.3f}", flush=True)  # fmt: skip
                sums[:] = 0
            if time.monotonic() - saved > self._config.checkpoint_seconds:
                self._checkpoint(step + 1)
                saved = time.monotonic()
        self._checkpoint(self._config.steps)

    def _batches(self, first: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield (step, rows) from step `first` on; a step's rows depend on the seed alone."""
        size = self._config.batch_size
        for_epoch = len(self._tokens) // size
        lengths = np.array([len(ids) for ids in self._tokens])
        for epoch in range(first // for_epoch, self._config.steps // for_epoch + 1):
            chance = np.random.default_rng((self._config.seed, epoch))
            order = chance.permutation(len(lengths))[: for_epoch * size]
            pools = np.array_split(order, max(1, for_epoch // _POOL))
            order = np.concatenate([pool[np.argsort(lengths[pool])] for pool in pools])
            for place, batch in enumerate(chance.permutation(for_epoch)):
                step = epoch * for_epoch + place
                if first <= step < self._config.steps:
                    yield step, order[batch * size : (batch + 1) * size]

    def _step(self, step: int, rows: NDArray[np.intp]) -> tuple[float, float]:
        import torch

        chance = np.random.default_rng((self._config.seed, step, 1))
        torch.manual_seed(self._config.seed + step)  # of dropout
        ids, mask = pad([self._tokens[row] for row in rows], PAD)
        ids, guess = mask_tokens(ids, chance, self._network.config.vocab_size)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.rate * _rise_and_fall(step, self._config.steps)
        vectors, words = losses(
            self._network,
            torch.from_numpy(ids),
            torch.from_numpy(mask),
            torch.from_numpy(guess),
            torch.from_numpy(self._targets[rows]),
        )
        self._optimizer.zero_grad(set_to_none=True)
        (vectors + _WORD_LOSS_WEIGHT * words).backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        return float(vectors.detach()), float(words.detach())

    def _checkpoint(self, step: int) -> None:
        """Write weights and the optimizer's averages as safetensors; a kill leaves the old file."""
        from safetensors.torch import save_file

        arrays = {}
        for name, weight in self._network.named_parameters():
            arrays[f"weight.{name}"] = weight.detach()
            for key in ("exp_avg", "exp_avg_sq"):
                arrays[f"{key}.{name}"] = self._optimizer.state[weight][key]
        part = self._run / "checkpoint.part"
        save_file(arrays, part, metadata={"step": str(step)})
        os.replace(part, self._run / "checkpoint.safetensors")

    def _resume(self) -> int:
        """Read the last checkpoint, if any; return the next step."""
        import torch
        from safetensors import safe_open

        path = self._run / "checkpoint.safetensors"
        if not path.is_file():
            return 0
        with safe_open(path, framework="pt") as file:
            step = int(file.metadata()["step"])
            for name, weight in self._network.named_parameters():
                with torch.no_grad():
                    weight.copy_(file.get_tensor(f"weight.{name}"))
                self._optimizer.state[weight] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": file.get_tensor(f"exp_avg.{name}"),
                    "exp_avg_sq": file.get_tensor(f"exp_avg_sq.{name}"),
                }
        return step


def _rise_and_fall(step: int, steps: int) -> float:
    rise = max(1, round(0.03 * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _check_settings(config: EncoderTraining, run: Path) -> None:
    """Store the settings of a new run; refuse to go on with a run that had others."""
    ours = json.loads(json.dumps(asdict(config), default=str))
    for key in ("data", "out", "wordnet", "checkpoint_seconds"):
        ours.pop(key)
    path = run / "settings.json"
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != ours:
            raise ModelError(
                f"{run} holds a run with other settings: remove it, or name another --out"
            )
        return
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(ours, indent=2) + "\n", encoding="utf-8")


def _teacher_vectors(teacher: SentenceEncoder, texts: list[str], run: Path) -> NDArray[np.float32]:
    """Return the teacher's vectors (N, D); finished blocks are kept in the run folder."""
    blocks = []
    for start in range(0, len(texts), _TEACHER_BLOCK):
        path = run / f"teacher-{start // _TEACHER_BLOCK:03}.npy"
        if not path.is_file():
            part = path.with_suffix(".part.npy")
            np.save(part, teacher.encode(texts[start : start + _TEACHER_BLOCK]))
            os.replace(part, path)
            print(f"teacher: {start + _TEACHER_BLOCK} of {len(texts)} texts", flush=True)
        blocks.append(np.load(path, allow_pickle=False))
    return np.concatenate(blocks)


def _save(network: Any, folder: Path) -> None:
    """Write config.json and model.safetensors: float16, without the part that guesses tokens."""
    import torch

    network.roberta.to(torch.float16).save_pretrained(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.nlu.encoder_training", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="with clinc150 and wnut17")
    parser.add_argument("--wordnet", type=Path, help="such as /usr/share/wordnet")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--steps", type=int, default=EncoderTraining.steps)
    parser.add_argument("--seed", type=int, default=EncoderTraining.seed)
    options = parser.parse_args(arguments)
    try:
        print(train(EncoderTraining(**vars(options))))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
