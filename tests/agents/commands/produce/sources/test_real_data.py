import gzip
import itertools
import json
from pathlib import Path

import pytest

from agents.commands.produce.sources import SourceError
from agents.commands.produce.sources.real_data import detector_file, real_sources
from agents.commands.produce.sources.real_sensors import nab


def test_every_data_set_yields_valid_keyed_events(data_dir: Path) -> None:
    missing: list[str] = []
    sources = real_sources(data_dir, missing.append)
    assert missing == []
    assert {source.kind for source in sources} == {"video", "text", "sensor", "behavior"}
    for source in sources:
        events = list(itertools.islice(source, 3 if source.kind == "video" else 300))
        assert events, source.name
        for event in events:
            event.validate()
            assert event.source_id


def test_every_reading_of_a_series_is_yielded(data_dir: Path) -> None:
    paths = list((data_dir / "nab" / "data").glob("*/*.csv"))
    rows = sum(len(path.read_text().splitlines()) - 1 for path in paths)
    assert sum(1 for _ in nab(data_dir / "nab")) == rows


def test_the_detector_is_found(data_dir: Path) -> None:
    found = detector_file(data_dir)
    assert found is not None
    assert found.name == "FastestDet.onnx"


def test_missing_parts_are_reported_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "sms_spam").mkdir()
    row = json.dumps({"text": "win a prize", "label": "spam"}) + "\n"
    (tmp_path / "sms_spam" / "sms_spam.jsonl.gz").write_bytes(gzip.compress(row.encode()))
    missing: list[str] = []
    (source,) = real_sources(tmp_path, missing.append)
    assert source.describe() == "sms_spam: real, text messages (SMS Spam)"
    assert len(missing) == 8
    assert any("no kdd99/*.csv.gz, skipped" in word for word in missing)
    assert detector_file(tmp_path) is None


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no known data set"):
        real_sources(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        real_sources(tmp_path / "none")
