"""The share of each of N processes (cores, GPUs, a port, a client id) and of each model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.process.share import (
    Share,
    allowed_cores,
    available_cores,
    require_room,
    share_cores,
    usable_cores,
    visible_gpus,
)
from streams.settings import AgentSettings, MetricsSettings, PipelineSettings


def shares(items: list[int], count: int) -> list[list[int]]:
    return [list(Share(index, count).of(items)) for index in range(count)]


@pytest.mark.parametrize(
    ("items", "count", "expected"),
    [
        ([0, 1, 2, 3], 2, [[0, 1], [2, 3]]),
        ([2, 3, 6, 7, 9], 2, [[2, 3], [6, 7, 9]]),
        ([0, 1, 2, 3], 1, [[0, 1, 2, 3]]),
        ([0, 1], 2, [[0], [1]]),
        ([0, 1], 5, [[0], [1], [0], [1], [0]]),
        ([], 2, [[], []]),
    ],
)
def test_shares_are_neighbors_and_repeat_if_there_are_too_few_items(
    items: list[int], count: int, expected: list[list[int]]
) -> None:
    assert shares(items, count) == expected


@pytest.mark.parametrize("count", range(1, 20))
def test_every_item_is_in_one_share_and_shares_are_even(count: int) -> None:
    items = list(range(19))
    all_shares = shares(items, count)
    assert [item for share in all_shares for item in share] == items
    sizes = [len(share) for share in all_shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_is_read_back_from_its_text() -> None:
    assert Share.parse(str(Share(1, 4))) == Share(1, 4)
    assert str(Share(1, 4)) == "2/4"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0", "1", "2"]),
        ("", []),
        ("2", ["2"]),
        ("3,1", ["3", "1"]),
        ("GPU-8932f937, MIG-ab", ["GPU-8932f937", "MIG-ab"]),
    ],
)
def test_visible_gpus_follow_the_environment(
    tmp_path: Path, visible: str | None, expected: list[str]
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia5", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert visible_gpus(environment, tmp_path) == expected


@pytest.mark.parametrize(
    ("share", "visible", "expected"),
    [
        (Share(0, 2), "3,1", "3"),
        (Share(1, 2), "3,1", "1"),
        (Share(2, 3), "3,1", "3"),
        (Share(1, 2), "0,1,2,3", "2,3"),
        (Share(0, 1), "3,1", "3,1"),
        (Share(1, 2), "", ""),
    ],
)
def test_a_process_sees_only_its_gpus(share: Share, visible: str, expected: str) -> None:
    # In another process, because it is limited to the share.
    code = (
        "from agents.process.share import Share\n"
        f"environment = {{'CUDA_VISIBLE_DEVICES': {visible!r}}}\n"
        f"Share({share.index}, {share.count}).take(environment)\n"
        "print(environment['CUDA_VISIBLE_DEVICES'])\n"
    )
    assert run(code) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process to cores")
@pytest.mark.parametrize("share", [Share(0, 1), Share(0, 2), Share(1, 2), Share(2, 3)], ids=str)
def test_a_process_runs_only_on_its_cores(share: Share) -> None:
    code = (
        "from agents.process.share import Share, allowed_cores\n"
        f"Share({share.index}, {share.count}).take({{}})\n"
        "print(*allowed_cores())\n"
    )
    assert run(code) == " ".join(map(str, share.of(allowed_cores())))


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def pipeline(
    port: int = 9464, device: str = "auto", kafka: dict[str, Any] | None = None
) -> PipelineSettings:
    agent = AgentSettings(input="in", output="out", model="robust_zscore", device=device)
    return PipelineSettings(
        kafka=kafka or {}, agents={"score": agent}, metrics=MetricsSettings(port=port)
    )


def test_each_process_has_its_client_id() -> None:
    assert Share(1, 2).settings(pipeline()).kafka["client.id"] == "penstock-2"
    named = pipeline(kafka={"client.id": "pumps", "group.id": "g"})
    assert Share(0, 2).settings(named).kafka == {"client.id": "pumps-1", "group.id": "g"}


def test_each_process_is_a_static_member_of_its_own() -> None:
    static = pipeline(kafka={"group.instance.id": "w1"})
    ids = [Share(i, 2).settings(static).kafka["group.instance.id"] for i in range(2)]
    assert ids == ["w1-1", "w1-2"]
    assert Share(0, 1).settings(static).kafka["group.instance.id"] == "w1"


def test_a_single_process_has_the_settings_of_the_file() -> None:
    assert Share(0, 1).settings(pipeline()) == pipeline()


@pytest.mark.parametrize(
    ("device", "count", "num_gpus"),
    [("cuda:1", 2, 2), ("cuda:1", 4, 2), ("cuda:2", 2, 4), ("cuda:1", 2, 0)],
)
def test_a_device_that_no_process_sees_is_an_error(device: str, count: int, num_gpus: int) -> None:
    with pytest.raises(UserError, match=f"agent score asks for device {device}"):
        require_room(pipeline(device=device), count, num_gpus)


@pytest.mark.parametrize(
    ("device", "count", "num_gpus"),
    [("cuda:0", 4, 1), ("cuda:1", 2, 4), ("cuda:3", 1, 4), ("cuda", 2, 2), ("cpu", 2, 0)],
)
def test_a_device_that_all_processes_see_is_valid(device: str, count: int, num_gpus: int) -> None:
    require_room(pipeline(device=device), count, num_gpus)


@pytest.mark.parametrize(
    ("num_models", "num_cores", "threads"), [(0, 8, "8"), (1, 8, "8"), (3, 8, "2"), (5, 2, "1")]
)
def test_each_model_gets_its_share_of_threads(
    num_models: int, num_cores: int, threads: str
) -> None:
    environment: dict[str, str] = {}
    share_cores(num_models, num_cores, environment)
    assert environment == {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}


def test_threads_set_in_the_environment_are_kept() -> None:
    environment = {"OMP_NUM_THREADS": "6", "OMP_WAIT_POLICY": "ACTIVE"}
    share_cores(4, 8, environment)
    assert environment == {"OMP_NUM_THREADS": "6", "OMP_WAIT_POLICY": "ACTIVE"}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 1000), ("150000 100000", 2), ("20000 100000", 1), ("nonsense", 1000)],
)
def test_a_container_s_cpu_limit_counts(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert usable_cores(tmp_path / "cpu.max") == min(expected, available_cores())


def test_without_a_container_all_cores_are_usable(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "absent") == available_cores()
