from agents.commands.demo.accounts import account_of
from tests.agents.commands.demo.worlds import CountingEngine

AGENT = "detect_objects"


def test_balances_when_every_record_has_an_end() -> None:
    engine = CountingEngine()
    engine.finish(answered=10, dead_lettered=3, filtered=1)
    account = account_of(AGENT, 14, 4, engine.look())
    assert account.differences() == []
    assert account.is_settled
    assert account.reasons == {"decode_error": 3}
    assert account.num_finished == 14


def test_says_what_was_produced_and_never_came_in() -> None:
    engine = CountingEngine()
    engine.finish(answered=10)
    account = account_of(AGENT, 12, 0, engine.look())
    assert not account.is_settled
    assert account.differences() == ["detect_objects: 12 were produced but 10 taken in"]


def test_says_what_came_in_and_never_ended() -> None:
    engine = CountingEngine()
    engine.finish(answered=10)
    engine.agent.took_in(engine.topic, 2)
    account = account_of(AGENT, 12, 0, engine.look())
    assert not account.is_settled
    (difference,) = account.differences()
    assert "12 were taken in but 10 answered" in difference


def test_a_record_taken_in_twice_after_a_rebalance_counts_once() -> None:
    engine = CountingEngine()
    engine.agent.took_in(engine.topic, 2)
    engine.agent.handed_back(engine.topic, 2)
    engine.finish(answered=5)
    assert account_of(AGENT, 5, 0, engine.look()).differences() == []


def test_dead_letters_without_a_reason_are_told() -> None:
    engine = CountingEngine()
    engine.finish(answered=1, dead_lettered=1)
    engine.agent.dead_lettered(engine.topic, "schema_error")
    (difference,) = account_of(AGENT, 2, 1, engine.look()).differences()
    assert "reasons account for 2" in difference
