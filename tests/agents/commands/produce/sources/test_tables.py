import gzip
from pathlib import Path

import pytest

from agents.commands.produce.sources import SourceError
from agents.commands.produce.sources.tables import Columns, behavior_events, sensor_readings
from schemas import BehaviorEvent, SensorReading


def write(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["pump.csv", "pump.csv.gz"])
def test_columns_are_found_without_options(tmp_path: Path, name: str, delimiter: str) -> None:
    text = "timestamp,place,bar,flow\n2023-11-14 22:13:20,hall,2.5,\n1700000001,hall,,31\n"
    path = write(tmp_path / name, text.replace(",", delimiter))
    assert list(sensor_readings(path)) == [
        SensorReading(source_id="pump", event_time_ms=1_700_000_000_000, values={"bar": 2.5}),
        SensorReading(source_id="pump", event_time_ms=1_700_000_001_000, values={"flow": 31.0}),
    ]


def test_columns_can_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "when,who,what,a,b\n1700000000250,u1,buy,1,2\n")
    columns = Columns(time="when", key="who", action="what", values=("b",))
    (event,) = behavior_events(path, columns)
    assert event == BehaviorEvent(
        source_id="u1", event_time_ms=1_700_000_000_250, action="buy", features={"b": 2.0}
    )


def test_a_table_without_a_header_gets_names(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1,2\n3,4\n")
    columns = Columns(names=("x", "y"), source_id="s")
    assert [r.values for r in sensor_readings(path, columns)] == [
        {"x": 1.0, "y": 2.0},
        {"x": 3.0, "y": 4.0},
    ]


def test_json_lines_may_be_flat_rows_or_whole_events(tmp_path: Path) -> None:
    lines = '{"bar": 2, "place": "hall"}\n\n{"source_id": "p2", "values": {"bar": 3.5}}\n'
    path = write(tmp_path / "pump.jsonl.gz", lines)
    assert list(sensor_readings(path)) == [
        SensorReading(source_id="pump", values={"bar": 2.0}),
        SensorReading(source_id="p2", values={"bar": 3.5}),
    ]


def test_rows_without_any_number_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,2\n,\nnan,inf\n3,4\n")
    assert len(list(sensor_readings(path))) == 2


@pytest.mark.parametrize(
    ("name", "text", "columns", "what"),
    [
        (
            "t.csv",
            "a\n" + "1\n" * 100 + "x\n",
            Columns(),
            "line 102, column 'a': 'x' is",
        ),
        ("t.csv", "a,b\n1,2\n", Columns(values=("c",)), r"no column 'c' \(it has: a, b\)"),
        ("t.csv", "a,time\n1,noon\n", Columns(), "line 2, column 'time': 'noon' is not a time"),
        ("t.csv", "a,k\n1,\n", Columns(key="k"), "line 2: column 'k' is empty"),
        ("t.csv", "a\n1,2\n", Columns(delimiter=","), "line 2: 1 more cells than columns"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', Columns(), "line 2: not JSON"),
        ("t.jsonl", "[1]\n", Columns(), "line 1: expected a JSON object"),
        ("t.jsonl", '{"values": {"a": "x"}}\n', Columns(), "line 1: Expected `float`"),
        (
            "t.jsonl",
            '{"values": {"a": 1}, "event_time_ms": -1}\n',
            Columns(),
            "line 1: Expected `int` >= 0",
        ),
    ],
)
def test_an_error_names_the_place_and_the_cell(
    tmp_path: Path, name: str, text: str, columns: Columns, what: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(SourceError, match=rf"{name}.*{what}"):
        list(sensor_readings(path, columns))


def test_missing_truncated_and_binary_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(sensor_readings(tmp_path / "none.csv"))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"a\n" + b"1\n" * 5000)[:-20])
    with pytest.raises(SourceError, match=r"cut\.csv\.gz: can't be read"):
        list(sensor_readings(cut))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(SourceError, match=r"binary\.csv: can't be read"):
        list(sensor_readings(binary))
