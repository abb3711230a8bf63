"""Models on the CPU share the cores; what the user said comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.process.cores import available_cores, cores_worth, share_cores


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


@pytest.mark.parametrize(
    ("limit", "worth"),
    [("max 100000", 1000), ("150000 100000", 2), ("20000 100000", 1), ("nonsense", 1000)],
)
def test_a_container_s_limit_counts(tmp_path: Path, limit: str, worth: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert cores_worth(tmp_path / "cpu.max") == min(worth, available_cores())


def test_without_a_container_there_is_no_limit(tmp_path: Path) -> None:
    assert cores_worth(tmp_path / "absent") == available_cores()
