"""Train the head that tags words, on the hidden states of a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.nlu.entity_encoder import EntityEncoder, Floats
from models.nlu.entity_features import NUM_FEATURES, word_shapes
from models.nlu.entity_head import WIDTH, EntityHead
from models.nlu.tags import Span

if TYPE_CHECKING:
    import torch

from models.nlu.entity_data import TaggedText

_ENCODED_AT_ONCE = 64
_BATCH = 32
#: Added to standard deviations, so that a number that hardly varies is not blown up.
_EPSILON = 1e-2
_IGNORED = -100


@dataclass(frozen=True)
class TaggedWords:
    """A text as the head sees it while it is trained."""

    states: Floats
    """(W, L * D + NUM_FEATURES): hidden states, then shapes."""
    tags: NDArray[np.int64]
    """(W,) indices of the true tags."""


@dataclass(frozen=True)
class EntityTraining:
    """How a head is trained. The same settings and texts give the same head on one machine."""

    layers: tuple[int, ...] = (0, 2, 4)
    """Hidden states that the head reads, chosen on a fifth of WNUT 2017's train part."""
    width: int = 128
    epochs: int = 8
    learning_rate: float = 2e-3
    seed: int = 0
    dropout: tuple[float, float] = field(default=(0.3, 0.4))
    """Of the hidden states, and within the head."""


def bio_labels(texts: Sequence[TaggedText]) -> tuple[str, ...]:
    """Return the tags of the kinds of entities in some texts, `O` first."""
    kinds = sorted({kind for text in texts for kind, _, _ in text.entities})
    return ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


def encode_words(
    encoder: EntityEncoder, texts: Sequence[TaggedText], labels: Sequence[str]
) -> list[TaggedWords]:
    """Encode texts once, for all epochs. Texts with nothing to read are left out."""
    index = {label: k for k, label in enumerate(labels)}
    result = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        chunk = texts[start : start + _ENCODED_AT_ONCE]
        prepared = encoder.prepare([text.text for text in chunk])
        states = iter(encoder.encode_prepared(prepared))
        for text, slot in zip(chunk, prepared.slots, strict=True):
            if isinstance(slot, Exception):
                continue
            spans = slot.word_spans()
            row = np.concatenate([next(states), word_shapes(text.text, spans)], axis=1)
            result.append(TaggedWords(row, _tags(spans, text, index)))
    return result


def _tags(spans: Sequence[Span], text: TaggedText, index: dict[str, int]) -> NDArray[np.int64]:
    tags = np.zeros(len(spans), dtype=np.int64)
    for kind, start, end in text.entities:
        inside = [i for i, span in enumerate(spans) if start <= span[0] and span[1] <= end]
        tags[inside] = index[f"I-{kind}"]
        tags[inside[:1]] = index[f"B-{kind}"]
    return tags


def train_head(
    texts: Sequence[TaggedWords],
    labels: Sequence[str],
    encoder: str,
    settings: EntityTraining,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> EntityHead:
    """Train by AdamW with a one-cycle learning rate.

    Args:
        texts: of `encode_words`.
        labels: of `bio_labels`.
        encoder: fingerprint of the encoder.
        settings: see there.
        on_epoch: called with the number of epochs done and the last one's mean loss.
    """
    import torch

    torch.manual_seed(settings.seed)
    chance = np.random.default_rng(settings.seed)
    words = np.concatenate([text.states for text in texts])
    mean, deviation = words.mean(axis=0), words.std(axis=0) + _EPSILON
    del words
    network = _network(len(mean), settings, len(labels))
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=1e-2)
    steps = settings.epochs * -(-len(texts) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, steps)
    network.train()
    for epoch in range(settings.epochs):
        losses = []
        for states, tags, mask in _batches(texts, chance):
            scaled = torch.from_numpy((states - mean) / deviation)
            logits = _forward(network, scaled, torch.from_numpy(mask))
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), torch.from_numpy(tags).flatten(), ignore_index=_IGNORED
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        on_epoch(epoch + 1, float(np.mean(losses)))
    return _to_head(network, mean, deviation, labels, encoder, settings)


def _network(size: int, settings: EntityTraining, num_tags: int) -> torch.nn.ModuleDict:
    from torch import nn

    return nn.ModuleDict(
        {
            "drop_states": nn.Dropout(settings.dropout[0]),
            "projection": nn.Linear(size, settings.width),
            "drop": nn.Dropout(settings.dropout[1]),
            "neighbors": nn.Conv1d(settings.width, settings.width, WIDTH, padding=WIDTH // 2),
            "tags": nn.Linear(settings.width, num_tags),
        }
    )


def _forward(network: Any, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return logits (B, W, K); the same arithmetic as `EntityHead.probabilities`."""
    hidden = network["projection"](network["drop_states"](states)).relu() * mask.unsqueeze(2)
    around = network["neighbors"](network["drop"](hidden).transpose(1, 2)).transpose(1, 2)
    logits: torch.Tensor = network["tags"](network["drop"](hidden + around.relu()))
    return logits


def _batches(
    texts: Sequence[TaggedWords], chance: np.random.Generator
) -> Iterator[tuple[Floats, NDArray[np.int64], Floats]]:
    order = chance.permutation(len(texts))
    for start in range(0, len(order), _BATCH):
        chosen = [texts[i] for i in order[start : start + _BATCH]]
        longest = max(len(text.tags) for text in chosen)
        states = np.zeros((len(chosen), longest, chosen[0].states.shape[1]), dtype=np.float32)
        tags = np.full((len(chosen), longest), _IGNORED, dtype=np.int64)
        mask = np.zeros((len(chosen), longest), dtype=np.float32)
        for row, text in enumerate(chosen):
            count = len(text.tags)
            states[row, :count], tags[row, :count], mask[row, :count] = text.states, text.tags, 1
        yield states, tags, mask


def _to_head(
    network: Any,
    mean: Floats,
    deviation: Floats,
    labels: Sequence[str],
    encoder: str,
    settings: EntityTraining,
) -> EntityHead:
    """Return the network as arrays, with the scaling of the states folded into the weights."""
    arrays = {
        name: value.detach().numpy().astype(np.float32)
        for name, value in network.state_dict().items()
    }
    weights = arrays["projection.weight"].T / deviation[:, np.newaxis]
    return EntityHead(
        labels=tuple(labels),
        layers=settings.layers,
        encoder=encoder,
        token_weights=np.ascontiguousarray(weights[:-NUM_FEATURES]),
        shape_weights=np.ascontiguousarray(weights[-NUM_FEATURES:]),
        bias=arrays["projection.bias"] - mean @ weights,
        neighbor_weights=np.ascontiguousarray(arrays["neighbors.weight"].transpose(2, 1, 0)),
        neighbor_bias=arrays["neighbors.bias"],
        tag_weights=np.ascontiguousarray(arrays["tags.weight"].T),
        tag_bias=arrays["tags.bias"],
    )
