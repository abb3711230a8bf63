"""What each of N processes gets: cores, GPUs, a port, a client id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.process.share import Share, require_room, visible_gpus
from streams.affinity import allowed_cores
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
def test_shares_are_neighbours_and_wrap_round_where_there_are_too_few(
    items: list[int], count: int, expected: list[list[int]]
) -> None:
    assert shares(items, count) == expected


@pytest.mark.parametrize("count", range(1, 20))
def test_all_is_given_out_once_and_evenly(count: int) -> None:
    items = list(range(19))
    found = shares(items, count)
    assert [item for share in found for item in share] == items
    sizes = [len(share) for share in found]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_survives_the_command_line() -> None:
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
def test_gpus_are_those_that_the_environment_leaves(
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
def test_each_sees_its_gpus(share: Share, visible: str, expected: str) -> None:
    # In a process of its own: a share pins the one that takes it.
    code = (
        "from agents.process.share import Share\n"
        f"environment = {{'CUDA_VISIBLE_DEVICES': {visible!r}}}\n"
        f"Share({share.index}, {share.count}).take(environment)\n"
        "print(environment['CUDA_VISIBLE_DEVICES'])\n"
    )
    assert run(code) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="pins threads")
@pytest.mark.parametrize("share", [Share(0, 1), Share(0, 2), Share(1, 2), Share(2, 3)], ids=str)
def test_a_process_is_kept_to_its_cores(share: Share) -> None:
    code = (
        "from agents.process.share import Share\n"
        "from streams.affinity import allowed_cores\n"
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


def test_ports_follow_one_another_and_zero_stays_any() -> None:
    ports = [Share(i, 3).settings(pipeline()).metrics.port for i in range(3)]
    assert ports == [9464, 9465, 9466]
    assert Share(2, 3).settings(pipeline(port=0)).metrics.port == 0


def test_each_has_a_client_id_of_its_own() -> None:
    assert Share(1, 2).settings(pipeline()).kafka["client.id"] == "penstock-2"
    named = pipeline(kafka={"client.id": "pumps", "group.id": "g"})
    assert Share(0, 2).settings(named).kafka == {"client.id": "pumps-1", "group.id": "g"}


def test_a_single_one_has_the_file_s_settings() -> None:
    assert Share(0, 1).settings(pipeline()) == pipeline()


def test_ports_that_do_not_exist_are_refused() -> None:
    require_room(pipeline(port=65534), 2, 0)
    with pytest.raises(UserError, match=r"--processes 3: metrics.port 65534 .* none over 65535"):
        require_room(pipeline(port=65534), 3, 0)


@pytest.mark.parametrize(
    ("device", "count", "num_gpus"),
    [("cuda:1", 2, 2), ("cuda:1", 4, 2), ("cuda:2", 2, 4), ("cuda:1", 2, 0)],
)
def test_a_gpu_that_no_process_sees_is_refused(device: str, count: int, num_gpus: int) -> None:
    with pytest.raises(UserError, match=f"agent score asks for device {device}"):
        require_room(pipeline(device=device), count, num_gpus)


@pytest.mark.parametrize(
    ("device", "count", "num_gpus"),
    [("cuda:0", 4, 1), ("cuda:1", 2, 4), ("cuda:3", 1, 4), ("cuda", 2, 2), ("cpu", 2, 0)],
)
def test_a_gpu_that_each_sees_is_not(device: str, count: int, num_gpus: int) -> None:
    require_room(pipeline(device=device), count, num_gpus)
