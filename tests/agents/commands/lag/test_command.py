"""`penstock lag` on the embedded broker: the table, JSON, errors, and what it serves."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.pipelines import Pipeline, number
from tests.integration.workers import fetch_metrics, parse_metrics
from tests.penstock_command import run_penstock, start_penstock
from tests.waiting import wait_until


@pytest.fixture
def pipeline(tmp_path: Path, embedded_bootstrap: str) -> Pipeline:
    """Twelve records in the input, no worker."""
    made = Pipeline(tmp_path, embedded_bootstrap)
    made.produce(number(x) for x in range(12))
    return made


def test_a_table_and_json(pipeline: Pipeline) -> None:
    done = run_penstock("lag", "-c", str(pipeline.config))
    assert done.returncode == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header[:6] == ["agent", "topic", "partition", "committed", "end", "lag"]
    lags = [int(row[5]) for row in rows if row[0] == "double"]
    assert (len(lags), sum(lags)) == (4, 12)
    as_json = run_penstock("lag", "-c", str(pipeline.config), "--json", "--agent", "double")
    document = json.loads(as_json.stdout)
    assert document["lag_records"] == 12
    assert [p["lag_records"] for p in document["partitions"]] == lags
    assert document["num_members"] is None


def test_an_unknown_agent_is_an_error(pipeline: Pipeline) -> None:
    done = run_penstock("lag", "-c", str(pipeline.config), "--agent", "other")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "penstock: error: no agent 'other': the pipeline file has double"
    )


@pytest.mark.parametrize("options", [(), ("--serve", "--port", "0")])
def test_an_unreachable_broker_is_an_error(pipeline: Pipeline, options: tuple[str, ...]) -> None:
    done = run_penstock(
        "lag", "-c", str(pipeline.config), "--timeout", "1", *options,
        env={"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "can't reach Kafka at 127.0.0.1:1" in done.stderr


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_serves_metrics_and_sums_until_it_is_stopped(pipeline: Pipeline, tmp_path: Path) -> None:
    log = tmp_path / "lag.log"
    options = ("--serve", "--port", "0", "--interval", "1")
    process = start_penstock("lag", "-c", str(pipeline.config), *options, log=log)
    try:
        wait_until("the lag is served", lambda: "metrics at" in log.read_text(), 60)
        address = log.read_text().split("metrics at ")[1].split()[0].removesuffix("/metrics")
        assert address.startswith("http://127.0.0.1:")
        assert get(f"{address}/ready")[0] == get(f"{address}/live")[0] == 200
        status, body = get(f"{address}/lag/double")
        assert (status, body["facts"]["lag_records"]) == (200, 12)
        assert get(f"{address}/lag/other")[0] == 404
        pipeline.produce(number(x) for x in range(3))
        wait_until(
            "it is read again", lambda: get(f"{address}/lag")[1]["facts"]["lag_records"] == 15
        )
        samples = parse_metrics(fetch_metrics(address))
        lags = [
            value for (name, _), value in samples.items() if name == "penstock_group_lag_records"
        ]
        assert (len(lags), sum(lags)) == (4, 15)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_taken_port_names_the_option(pipeline: Pipeline) -> None:
    port = pipeline.bootstrap.rsplit(":", 1)[1]
    done = run_penstock("lag", "-c", str(pipeline.config), "--serve", "--port", port)
    assert done.returncode == 2
    assert "set --port, or 0 for any free one" in done.stderr
