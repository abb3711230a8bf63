from __future__ import annotations

import logging

import pytest

from agents.commands.log_outages import OneOutage


def line(name: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, "no connection", (), None)


@pytest.mark.parametrize(
    ("name", "is_said"),
    [
        ("aiokafka.consumer.fetcher", False),
        ("streams.health.health", True),
        ("agents.worker", True),
    ],
)
def test_a_known_outage_is_not_told_by_every_request(name: str, is_said: bool) -> None:
    is_away = False
    outage = OneOutage(lambda: is_away)
    assert outage.filter(line(name))
    is_away = True
    assert outage.filter(line(name)) == is_said
