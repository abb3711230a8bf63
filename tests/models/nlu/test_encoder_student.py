from __future__ import annotations

from pathlib import Path

import numpy as np

from models.nlu.encoder import SentenceEncoder
from models.nlu.encoder_student import (
    MASK,
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
from models.nlu.tokenizer import Tokenizer

SHAPE = StudentShape(vocabulary=300, width=16, layers=1, heads=2, inner=32, max_tokens=24)
TEXTS = ["where is my order", "Thanks, the balance is right", "hello hello money"] * 5


def test_the_saved_tokenizer_gives_the_ids_it_was_trained_with(tmp_path: Path) -> None:
    trained = train_tokenizer(TEXTS, SHAPE, tmp_path)
    loaded = Tokenizer(tmp_path, SHAPE.max_tokens)
    for text in [*TEXTS[:3], "Ünseen wörds 🙂", "<s> typed control tokens </s>"]:
        ids = loaded([text])[0]
        assert isinstance(ids, list)
        assert (ids[0], ids[-1]) == (0, 2)
        if "<s>" not in text:
            assert ids == trained.encode(text).ids
    assert loaded.padding_candidates == [PAD]
    assert loaded(["WHERE is My order"]) == loaded(["where is my order"])


def test_a_typed_control_token_is_text(tmp_path: Path) -> None:
    train_tokenizer(TEXTS, SHAPE, tmp_path)
    ids = Tokenizer(tmp_path, SHAPE.max_tokens)(["a <mask> b"])[0]
    assert isinstance(ids, list)
    assert MASK not in ids


def test_every_second_row_has_hidden_tokens() -> None:
    chance = np.random.default_rng(0)
    ids = chance.integers(5, 300, (400, 20))
    ids[:, 15:] = PAD
    read, guess = mask_tokens(ids, chance, 300)
    hidden = guess >= 0
    assert not hidden[::2].any()
    assert (read[::2] == ids[::2]).all()
    assert not hidden[:, 15:].any()
    assert 0.13 < hidden[1::2, :15].mean() < 0.17
    assert (guess[hidden] == ids[hidden]).all()
    assert 0.75 < (read[hidden] == MASK).mean() < 0.85
    assert (read[~hidden] == ids[~hidden]).all()


def test_axes_keep_the_angles_of_vectors_in_a_subspace() -> None:
    chance = np.random.default_rng(0)
    vectors = chance.standard_normal((50, 4)) @ chance.standard_normal((4, 20))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    reduced = project(vectors, principal_axes(vectors, 4))
    np.testing.assert_allclose(reduced @ reduced.T, vectors @ vectors.T, atol=1e-4)


def test_words_begin_at_the_teachers_vectors(tmp_path: Path, tiny_encoder: SentenceEncoder) -> None:
    tokenizer = train_tokenizer(TEXTS, SHAPE, tmp_path)
    axes = principal_axes(tiny_encoder.encode(TEXTS[:3]), SHAPE.width)
    network = make_network(SHAPE, tokenizer.get_vocab_size())
    teach_words(network, tokenizer, tiny_encoder, axes)
    token = tokenizer.encode("order").ids[1]
    expected = project(tiny_encoder.encode([tokenizer.decode([token]).strip()]), axes)[0]
    actual = network.roberta.embeddings.word_embeddings.weight[token].detach().numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_the_loss_of_vectors_is_that_of_its_definition() -> None:
    """Padding changes nothing, and the first loss is computed here once more, text by text."""
    import torch

    torch.manual_seed(0)
    network = make_network(SHAPE, 300).eval()
    rows = [[0, 7, 8, 9, 2], [0, 11, 2]]
    ids = torch.tensor([rows[0], [*rows[1], PAD, PAD]])
    mask = (ids != PAD).long()
    guess = torch.full_like(ids, -100)
    targets = torch.nn.functional.normalize(torch.randn(2, SHAPE.width), dim=1)
    total, words = losses(network, ids, mask, guess, targets)
    units = []
    for row in rows:
        states = network.roberta(input_ids=torch.tensor([row])).last_hidden_state[0]
        units.append(torch.nn.functional.normalize(states.mean(0), dim=0))
    vectors = torch.stack(units)
    cosines = 1 - (vectors * targets).sum(1).mean()
    pairs = ((vectors @ vectors.T - targets @ targets.T) ** 2).mean()
    torch.testing.assert_close(total, cosines + 5 * pairs, atol=1e-5, rtol=1e-4)
    assert float(words.detach()) == 0
