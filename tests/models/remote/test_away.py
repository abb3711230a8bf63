from __future__ import annotations

from email.utils import formatdate
from time import time

import pytest

from models.remote.away import seconds_to_wait, status_error
from schemas import Unavailable


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 502, 503, 504])
def test_a_server_that_is_away_or_busy_is_waited_for(status: int) -> None:
    error = status_error("http://scores:8000", status, "later", "3")
    assert isinstance(error, Unavailable)
    assert str(error) == f"http://scores:8000 answers {status}: later"
    assert error.retry_after_seconds == 3


@pytest.mark.parametrize("status", [301, 400, 413, 422, 500])
def test_a_refused_request_is_not_repeated(status: int) -> None:
    error = status_error("http://scores:8000", status, "", None)
    assert not isinstance(error, Unavailable)
    assert str(error) == f"http://scores:8000 answers {status}"


def test_retry_after_is_seconds_or_a_date() -> None:
    assert seconds_to_wait(None) == seconds_to_wait("") == seconds_to_wait("soon") == 0
    assert seconds_to_wait(" 12 ") == 12
    assert 50 < seconds_to_wait(formatdate(time() + 60, usegmt=True)) <= 60
    assert seconds_to_wait(formatdate(time() - 60, usegmt=True)) == 0
