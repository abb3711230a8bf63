import http.server

import numpy as np
import pytest

from agents.commands.demo.scraping import Histogram, scrape
from streams.health.http_server import serve
from tests.agents.commands.demo.worlds import CountingEngine


def test_reads_what_the_engine_counts() -> None:
    engine = CountingEngine()
    engine.finish(answered=7, dead_lettered=2)
    look = engine.look()
    assert look.sum("penstock_records_in_total", agent="detect_objects") == 9
    assert look.sum("penstock_records_in_total", agent="another") == 0
    by_outcome = look.by_label("penstock_records_total", "outcome", agent="detect_objects")
    assert by_outcome == {"answered": 7, "dead_lettered": 2, "filtered": 0}


def test_histograms_have_a_mean_and_a_difference() -> None:
    engine = CountingEngine()
    engine.agent.batch(4, 0.1)
    then = engine.look().histogram("penstock_batch_size", agent="detect_objects")
    engine.agent.batch(8, 0.1)
    now = engine.look().histogram("penstock_batch_size", agent="detect_objects")
    assert then.mean == 4
    assert now.mean == 6
    assert now.since(then).mean == 8
    assert now.since(Histogram()) == now
    assert Histogram().mean is None


def test_ages_come_as_a_histogram_too() -> None:
    engine = CountingEngine()
    now_ms = 1_700_000_000_000
    sent_ms = np.array([now_ms - 15, now_ms - 15, now_ms - 300])
    engine.metrics.event_age.observe("detect_objects", sent_ms, now_ms)
    ages = engine.look().histogram("penstock_event_age_seconds", agent="detect_objects")
    assert ages.cumulative[-1] == 3
    assert ages.total == pytest.approx(0.33)


def test_scrapes_over_http() -> None:
    engine = CountingEngine()
    engine.finish(answered=3)
    port = serve("127.0.0.1", 0, engine.metrics.registry, {})
    look = scrape(f"http://127.0.0.1:{port}/metrics")
    assert look.sum("penstock_records_in_total") == 3
    assert look.seconds > 0


def test_an_engine_that_is_gone_is_an_os_error() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    with pytest.raises(OSError, match="refused"):
        scrape(f"http://127.0.0.1:{port}/metrics")
