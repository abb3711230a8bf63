"""Topics are read under one id from one rebalance to the next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError

from streams.transport import topic_ids
from streams.transport.topic_ids import TopicIds
from streams.transport.topic_requests import DescribedTopic

OLD, NEW = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
ABSENT = DescribedTopic(3, "", 0)


def described(topic_id: str) -> DescribedTopic:
    return DescribedTopic(0, topic_id, 1)


class FakeClient:
    """Describes the one topic `numbers`: by the answers in turn, then by the last of them."""

    def __init__(self, *answers: DescribedTopic) -> None:
        self.answers = list(answers)
        self.error: Exception | None = None
        self.num_requests = 0
        self.cluster = SimpleNamespace(broker_metadata=lambda node: node)

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: Any, group: int) -> Any:
        assert group not in (0, 1), "a fetch would delay the answer"
        self.num_requests += 1
        if self.error is not None:
            raise self.error
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return SimpleNamespace(topics={"numbers": answer})


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_ids, "_PIN_SECONDS", 0.0)


def ids_of(client: FakeClient) -> TopicIds:
    ids = TopicIds()
    ids.use(client)
    return ids


async def test_a_pinned_topic_keeps_its_id_until_the_next_rebalance() -> None:
    ids = ids_of(FakeClient(described(OLD), described(NEW)))
    assert await ids.pin(["numbers"]) == {}
    assert await ids.pin(["numbers"]) == {}
    assert ids.id_of("numbers") == OLD
    ids.release()
    assert await ids.pin(["numbers"]) == {"numbers": (OLD, NEW)}
    assert ids.id_of("numbers") == NEW


async def test_a_change_is_noticed_and_nothing_of_the_old_topic_is_current() -> None:
    ids = ids_of(FakeClient(described(OLD)))
    await ids.pin(["numbers"])
    assert not ids.has_changed("numbers", described(OLD))
    assert ids.is_current("numbers", described(OLD))
    assert ids.has_changed("numbers", described(NEW))
    assert not ids.is_current("numbers", described(NEW))
    assert not ids.is_current("numbers", ABSENT)


async def test_a_broker_that_lags_behind_does_not_bring_the_old_topic_back() -> None:
    ids = ids_of(FakeClient(described(OLD), described(NEW), described(OLD), described(NEW)))
    await ids.pin(["numbers"])
    ids.release()
    await ids.pin(["numbers"])
    assert not ids.has_changed("numbers", described(OLD))
    ids.release()
    assert await ids.pin(["numbers"]) == {}
    assert ids.id_of("numbers") == NEW


async def test_an_absent_topic_has_no_id() -> None:
    ids = ids_of(FakeClient(ABSENT, described(NEW)))
    await ids.pin(["numbers"])
    assert not ids.id_of("numbers")
    await ids.pin(["numbers"])
    assert ids.id_of("numbers") == NEW


async def test_a_broker_without_ids_is_asked_once() -> None:
    client = FakeClient(described(OLD))
    client.error = IncompatibleBrokerVersion()
    ids = ids_of(client)
    await ids.pin(["numbers"])
    await ids.pin(["numbers"])
    assert await ids.look(["numbers"]) == {}
    assert client.num_requests == 1
    assert ids.id_of("numbers") == ""
    assert not ids.has_changed("numbers", described(""))


async def test_a_recent_answer_is_used_again() -> None:
    client = FakeClient(described(OLD))
    ids = ids_of(client)
    await ids.look(["numbers"])
    await ids.look(["numbers"], max_age_seconds=60)
    assert client.num_requests == 1
    await ids.look(["numbers"])
    assert client.num_requests == 2


async def test_a_broker_that_does_not_answer_is_an_error() -> None:
    client = FakeClient(described(OLD))
    client.error = KafkaConnectionError()
    with pytest.raises(KafkaConnectionError):
        await ids_of(client).pin(["numbers"])
