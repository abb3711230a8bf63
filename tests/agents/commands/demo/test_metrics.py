import http.server
import math

import numpy as np
import pytest

from agents.commands.demo.metrics import (
    WINDOW_SECONDS,
    AgentRow,
    Histogram,
    Window,
    scrape,
    whole_run,
)
from streams.health.http_server import serve
from streams.settings import AgentSettings
from tests.agents.commands.demo.worlds import CountingEngine

SETTINGS = AgentSettings(input="video.frames", output="video.detections", model="m")
BOUNDS = (1.0, 2.0, 4.0, math.inf)


def test_a_scrape_returns_the_counts_of_the_engine() -> None:
    engine = CountingEngine()
    engine.finish(answered=7, dead_lettered=2)
    scraped = engine.scrape()
    assert scraped.sum("penstock_records_in_total", agent="detect_objects") == 9
    assert scraped.sum("penstock_records_in_total", agent="another") == 0
    by_outcome = scraped.by_label("penstock_records_total", "outcome", agent="detect_objects")
    assert by_outcome == {"answered": 7, "dead_lettered": 2, "filtered": 0}


def test_histograms_have_a_mean_and_an_increase() -> None:
    engine = CountingEngine()
    engine.agent.batch(4, 0.1)
    then = engine.scrape().histogram("penstock_batch_size", agent="detect_objects")
    engine.agent.batch(8, 0.1)
    now = engine.scrape().histogram("penstock_batch_size", agent="detect_objects")
    assert then.mean == 4
    assert now.mean == 6
    assert now.since(then).mean == 8
    assert now.since(Histogram()) == now
    assert Histogram().mean is None


def test_event_ages_are_a_histogram() -> None:
    engine = CountingEngine()
    now_ms = 1_700_000_000_000
    sent_ms = np.array([now_ms - 15, now_ms - 15, now_ms - 300])
    engine.metrics.event_age.observe("detect_objects", sent_ms, now_ms)
    ages = engine.scrape().histogram("penstock_event_age_seconds", agent="detect_objects")
    assert ages.cumulative[-1] == 3
    assert ages.total == pytest.approx(0.33)


def test_metrics_are_scraped_over_http() -> None:
    engine = CountingEngine()
    engine.finish(answered=3)
    port = serve("127.0.0.1", 0, engine.metrics.registry, {})
    scraped = scrape(f"http://127.0.0.1:{port}/metrics")
    assert scraped.sum("penstock_records_in_total") == 3
    assert scraped.seconds > 0


def test_scraping_an_engine_that_has_ended_is_an_os_error() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    with pytest.raises(OSError, match="refused"):
        scrape(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)]
)
def test_a_quantile_is_interpolated_within_a_bucket(q: float, expected: float) -> None:
    assert Histogram(BOUNDS, (50, 100, 100, 100)).quantile(q) == pytest.approx(expected)


def test_a_quantile_beyond_the_last_finite_bound_is_that_bound() -> None:
    assert Histogram(BOUNDS, (0, 0, 1, 10)).quantile(0.99) == 4.0


def test_an_empty_histogram_has_no_quantile() -> None:
    assert Histogram(BOUNDS, (0, 0, 0, 0)).quantile(0.5) is None
    assert Histogram().quantile(0.5) is None


def test_a_quantile_skips_empty_buckets() -> None:
    assert Histogram(BOUNDS, (0, 0, 10, 10)).quantile(0.5) == pytest.approx(3.0)


def test_rates_cover_the_last_seconds_only() -> None:
    engine, window = CountingEngine(), Window()
    engine.finish(answered=1000)
    for second in range(20):
        engine.finish(answered=30)
        engine.agent.emitted("video.detections", 60)
        window.add(engine.scrape(seconds=float(second)))
    row = window.row("detect_objects", SETTINGS)
    assert row.in_per_second == pytest.approx(30)
    assert row.out_per_second == pytest.approx(60)
    assert WINDOW_SECONDS < 20


def test_a_row_holds_durations_ages_and_lag() -> None:
    engine, window = CountingEngine(), Window()
    window.add(engine.scrape(0.0))
    engine.agent.batch(16, 0.25)
    engine.agent.stage("predict", 0.04)
    engine.metrics.event_age.observe("detect_objects", np.full(100, 1_000), 1_150.0)
    engine.metrics.lag.labels("video.frames", "0").set(4)
    engine.metrics.lag.labels("video.frames", "1").set(3)
    engine.metrics.lag.labels("text.messages", "1").set(100)
    window.add(engine.scrape(1.0))
    row = window.row("detect_objects", SETTINGS)
    assert row.batch_size == 16
    assert row.queue_seconds == pytest.approx(0.25)
    assert row.model_seconds == pytest.approx(0.04)
    assert row.lag == 7
    assert row.age_p50_seconds is not None
    assert 0.1 <= row.age_p50_seconds <= 0.2


def test_a_window_without_scrapes_has_an_empty_row() -> None:
    assert Window().row("detect_objects", SETTINGS) == AgentRow("detect_objects")


def test_the_whole_run_counts_from_the_start() -> None:
    engine = CountingEngine()
    engine.agent.batch(2, 0.0)
    engine.agent.batch(4, 0.0)
    assert whole_run("detect_objects", SETTINGS, engine.scrape(5.0)).batch_size == 3
