import itertools
import shutil
from pathlib import Path

import pytest

from agents.commands.demo.inputs import folder_inputs, packaged_inputs
from agents.commands.produce.sources import SourceError


def test_packaged_inputs_are_described_as_real_or_rendered() -> None:
    lines = packaged_inputs().describe()
    assert any("rendered" in line for line in lines)
    assert any("real" in line for line in lines)


def test_inputs_repeat_without_end() -> None:
    sensor = packaged_inputs().by_kind["sensor"]
    assert len(list(itertools.islice(sensor, 3000))) == 3000  # the set has 1,268


def test_a_folder_of_real_data_feeds_every_agent(data_dir: Path) -> None:
    reported: list[str] = []
    inputs = folder_inputs(data_dir, reported.append)
    assert set(inputs.by_kind) == {"video", "text", "sensor", "behavior", "interaction"}
    for kind, group in inputs.by_kind.items():  # there are no real interactions to ship
        assert all(source.is_real for source in group.sources) == (kind != "interaction")
    assert inputs.models["video"]["name"] == "onnx_detector"
    assert "sensor" not in inputs.models
    for group in inputs.by_kind.values():
        assert next(iter(group)).source_id


def test_a_missing_kind_is_reported_and_replaced_by_packaged_data(
    data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir / "sms_spam", tmp_path / "sms_spam")
    (tmp_path / "video").symlink_to(data_dir / "video")  # without its detector
    reported: list[str] = []
    inputs = folder_inputs(tmp_path, reported.append)
    assert [source.name for source in inputs.by_kind["text"].sources] == ["sms_spam"]
    assert inputs.by_kind["video"] == packaged_inputs().by_kind["video"]
    for kind in ("video", "sensor", "behavior"):
        assert any(f"kind {kind}: packaged sources" in line for line in reported)
    assert not any("kind text" in line for line in reported)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        folder_inputs(tmp_path / "nothing", print)
