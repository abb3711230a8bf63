from __future__ import annotations

import torch

from models.transliteration.network import LetterEncoder, TransliteratorShape, pad


def test_a_name_is_read_alone_as_among_longer_ones() -> None:
    torch.manual_seed(0)
    encoder = LetterEncoder(9, TransliteratorShape(embedding=4, hidden=5)).eval()
    letters, lengths = pad([[1, 2, 3], [4, 5, 6, 7, 8], [8]])
    assert lengths.tolist() == [3, 5, 1]
    together = encoder(letters, lengths)
    assert together.shape == (3, 5, 10)
    for row, length in enumerate(lengths.tolist()):
        alone = encoder(letters[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row, :length], alone[0])


def test_nothing_can_be_padded() -> None:
    letters, lengths = pad([])
    assert letters.shape == (0, 0)
    assert lengths.shape == (0,)
