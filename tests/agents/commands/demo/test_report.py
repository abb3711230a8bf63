from pathlib import Path

from agents.commands.demo.metrics import AgentRow
from agents.commands.demo.report import COLUMNS, Account, Report, account_of
from tests.agents.commands.demo.worlds import CountingEngine

AGENT = "detect_objects"

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


def test_the_exit_code_of_a_good_run_is_0() -> None:
    good = report(GOOD)
    assert good.exit_code == 0
    row = dict(zip(COLUMNS, good.table()[0], strict=True))
    assert (row["in"], row["results"], row["mean batch"]) == ("10", "10", "2.0")
    assert (row["age p50 ms"], row["age p99 ms"]) == ("50", "-")
    assert good.to_json()["balanced"] is True


def test_the_exit_code_with_a_fault_is_1() -> None:
    bad = report(GOOD, "something is missing")
    assert bad.exit_code == 1
    assert bad.to_json()["faults"] == ["something is missing"]


def test_notes_list_the_bad_records_and_the_reasons() -> None:
    assert report(GOOD).notes() == [
        "bad records sent to frames on purpose: a tombstone",
        "detect_objects: dead letters: 2 decode_error",
    ]


def test_unexpected_refusals_are_noted() -> None:
    account = Account("a", 3, 3, answered=1, filtered=0, num_dead_lettered=2, num_bad=1)
    assert "1 more records were refused" in report(account).notes()[-1]


def test_written_files_are_listed_by_folder() -> None:
    assert report(GOOD).written() == [
        "written to out/frames: frame-01.jpg",
        "written to out: a.jsonl, b.jsonl",
    ]


def test_an_account_balances_when_every_record_is_finished() -> None:
    engine = CountingEngine()
    engine.finish(answered=10, dead_lettered=3, filtered=1)
    account = account_of(AGENT, 14, 4, engine.scrape())
    assert account.differences() == []
    assert account.is_settled
    assert account.reasons == {"decode_error": 3}
    assert account.num_finished == 14


def test_records_that_were_produced_but_not_taken_in_are_a_difference() -> None:
    engine = CountingEngine()
    engine.finish(answered=10)
    account = account_of(AGENT, 12, 0, engine.scrape())
    assert not account.is_settled
    assert account.differences() == ["detect_objects: 12 records were produced but 10 taken in"]


def test_records_that_were_taken_in_but_not_finished_are_a_difference() -> None:
    engine = CountingEngine()
    engine.finish(answered=10)
    engine.agent.took_in(engine.topic, 2)
    account = account_of(AGENT, 12, 0, engine.scrape())
    assert not account.is_settled
    (difference,) = account.differences()
    assert "12 records were taken in but 10 answered" in difference


def test_a_record_taken_in_twice_after_a_rebalance_counts_once() -> None:
    engine = CountingEngine()
    engine.agent.took_in(engine.topic, 2)
    engine.agent.handed_back(engine.topic, 2)
    engine.finish(answered=5)
    assert account_of(AGENT, 5, 0, engine.scrape()).differences() == []


def test_dead_letters_without_a_reason_are_a_difference() -> None:
    engine = CountingEngine()
    engine.finish(answered=1, dead_lettered=1)
    engine.agent.dead_lettered(engine.topic, "schema_error")
    (difference,) = account_of(AGENT, 2, 1, engine.scrape()).differences()
    assert "reasons account for 2" in difference
