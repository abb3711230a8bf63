"""The example `recommendations`, end to end: a shop's clicks in, what to show next out."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from tests.conftest import REPO
from tests.integration.pipelines import Pipeline, make_planned_topics
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock

pytestmark = pytest.mark.kafka

EXAMPLE = REPO / "examples" / "recommendations" / "penstock.yaml"
NUM_CLICKS = 1500


class Shop(Pipeline):
    """The example's pipeline on topics of this run."""

    def __post_init__(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))
        make_planned_topics(self.config)

    def settings(self) -> dict[str, Any]:
        document = yaml.safe_load(EXAMPLE.read_text())
        agent = document["agents"]["recommend_items"]
        agent |= {"input": self.input, "output": self.output}
        return {
            "kafka": {**self.kafka, "group.id": self.name},
            "agents": {"recommend_items": agent},
            "metrics": {"port": 0},
            "topics": {"default": {"partitions": 4}},
        }

    def click(self, clicks: list[tuple[str, bytes]]) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        for user, value in clicks:
            producer.produce(self.input, key=user, value=value)
        assert producer.flush(30) == 0

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(message.value() or b"") for message in self.read(self.output)]


def click(user: str, kind: str, sku: str | None) -> tuple[str, bytes]:
    value: dict[str, Any] = {"user": user, "at": "2026-11-28T05:26:18Z", "type": kind}
    if sku is not None:
        value["product"] = {"sku": sku}
    return user, json.dumps(value).encode()


def clicks() -> list[tuple[str, bytes]]:
    """Half of the users buy tea, the others wine; everybody sees gift cards."""
    dice = random.Random(1)
    made = []
    for number in range(NUM_CLICKS):
        user = dice.randrange(40)
        kind = "tea" if user % 2 else "wine"
        sku = "gift-card-1" if number % 10 == 0 else f"{kind}-{dice.randrange(40)}"
        made.append(click(f"u-{user}", dice.choice(["product_view", "purchase"]), sku))
    return made


def test_clicks_become_recommendations_also_after_a_restart(tmp_path: Path, bootstrap: str) -> None:
    shop = Shop(tmp_path, bootstrap)
    checked = run_penstock("check", "-c", str(shop.config))
    assert checked.returncode == 0, checked.stderr
    shop.click(clicks())
    bad = [("u-1", b"{"), click("u-1", "product_view", "x" * 5000)]
    shop.click(bad)
    with running_worker(shop.config, log_folder=tmp_path) as worker:
        worker.await_finished(NUM_CLICKS + len(bad))
        worker.stop()
    answered = shop.results()
    assert len(answered) == NUM_CLICKS
    assert len(shop.refused()) == len(bad)
    assert not any(
        item["item"].startswith("gift-card") for result in answered for item in result["items"]
    )
    # A worker that takes over has what the first one learned.
    shop.click([click(f"u-{user}", "home_opened", None) for user in range(40)])
    with running_worker(shop.config, log_folder=tmp_path) as worker:
        worker.await_finished(40)
        worker.stop()
    before = {tuple(result["origin"].values()) for result in answered}
    requests = [r for r in shop.results() if tuple(r["origin"].values()) not in before]
    assert len(requests) == 40
    right = total = 0
    for result in requests:
        kind = "tea" if int(result["source_id"][2:]) % 2 else "wine"
        assert not result["is_cold"]
        total += len(result["items"])
        right += sum(item["item"].startswith(kind) for item in result["items"])
    assert total == 40 * 5
    assert right > 0.9 * total, (right, total)
