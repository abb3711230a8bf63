from pathlib import Path

from agents.commands.demo.accounts import Account
from agents.commands.demo.report import COLUMNS, Report
from agents.commands.demo.rows import AgentRow

GOOD = Account(
    agent="detect_objects",
    produced=10,
    taken_in=12,
    handed_back=2,
    answered=7,
    filtered=1,
    num_dead_lettered=2,
    reasons={"decode_error": 2},
    results={"a": 7, "b": 3},
    num_bad=3,
)


def report(account: Account, *faults: str) -> Report:
    files = [Path("out/frames/frame-01.jpg"), Path("out/a.jsonl"), Path("out/b.jsonl")]
    row = AgentRow(account.agent, batch_size=2.0, age_p50_seconds=0.05)
    return Report([account], [row], {"frames": ["a tombstone"]}, files, list(faults))


def test_a_good_run_ends_with_0() -> None:
    good = report(GOOD)
    assert good.exit_code == 0
    row = dict(zip(COLUMNS, good.table()[0], strict=True))
    assert (row["in"], row["results"], row["mean batch"]) == ("10", "10", "2.0")
    assert (row["age p50 ms"], row["age p99 ms"]) == ("50", "-")
    assert good.to_json()["balanced"] is True


def test_a_fault_ends_with_1() -> None:
    bad = report(GOOD, "something is missing")
    assert bad.exit_code == 1
    assert bad.to_json()["faults"] == ["something is missing"]


def test_notes_name_reasons_and_what_was_spoiled() -> None:
    assert report(GOOD).notes() == [
        "sent to frames on purpose: a tombstone",
        "detect_objects: dead letters: 2 decode_error",
    ]


def test_refusals_that_nobody_intended_are_told() -> None:
    account = Account("a", 3, 3, answered=1, filtered=0, num_dead_lettered=2, num_bad=1)
    assert "1 records more were refused" in report(account).notes()[-1]


def test_files_are_named_by_folder() -> None:
    assert report(GOOD).written() == [
        "written to out/frames: frame-01.jpg",
        "written to out: a.jsonl, b.jsonl",
    ]
