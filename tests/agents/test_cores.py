"""Models on the CPU share the cores; what the user said comes first."""

from __future__ import annotations

import pytest

from agents.cores import share_cores


@pytest.mark.parametrize(
    ("num_models", "num_cores", "threads"), [(0, 8, "8"), (1, 8, "8"), (3, 8, "2"), (5, 2, "1")]
)
def test_each_model_gets_its_share(num_models: int, num_cores: int, threads: str) -> None:
    environment: dict[str, str] = {}
    share_cores(num_models, num_cores, environment)
    assert environment == {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}


def test_what_the_user_says_comes_first() -> None:
    environment = {"OMP_NUM_THREADS": "6", "OMP_WAIT_POLICY": "ACTIVE"}
    share_cores(4, 8, environment)
    assert environment == {"OMP_NUM_THREADS": "6", "OMP_WAIT_POLICY": "ACTIVE"}
