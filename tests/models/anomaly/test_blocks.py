"""Blocks keep what is written to them, in whichever piece of memory they are."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly import blocks
from models.anomaly.blocks import BlockPool


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> BlockPool:
    monkeypatch.setattr(blocks, "_PIECE_BYTES", 4 * 8 * 3)  # four blocks a piece
    return BlockPool(3)


def test_blocks_in_several_pieces_are_read_and_written(pool: BlockPool) -> None:
    ids = np.concatenate([pool.allocate(count) for count in (1, 2, 6, 4)])
    assert ids.tolist() == list(range(13))
    contents = np.random.default_rng(0).normal(size=(13, 3))
    order = np.random.default_rng(1).permutation(13)
    pool.write(ids[order], contents[order])
    pool.put(np.array([12, 0, 5]), np.array([0, 2, 1]), np.array([1.0, 2.0, 3.0]))
    contents[[12, 0, 5], [0, 2, 1]] = [1.0, 2.0, 3.0]
    assert np.array_equal(pool.read(ids), contents)
    assert np.array_equal(pool.read(ids[order][:5]), contents[order][:5])


def test_growing_moves_no_block(pool: BlockPool) -> None:
    pool.allocate(4)
    (first,) = pool._pieces
    pool.allocate(40)
    assert len(pool._pieces) == 11
    assert pool._pieces[0] is first


def test_what_is_read_is_a_copy(pool: BlockPool) -> None:
    ids = pool.allocate(2)
    pool.write(ids, np.zeros((2, 3)))
    pool.read(ids)[:] = 1.0
    assert not pool.read(ids).any()
