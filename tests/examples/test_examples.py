from __future__ import annotations

from pathlib import Path

import pytest

from agents.commands.check import check_agent
from agents.pipeline.file import load_pipeline
from agents.pipeline.parts import load_agent

EXAMPLES = Path(__file__).parents[2] / "examples"
RIDES = EXAMPLES / "rides" / "penstock.yaml"


def test_bring_your_own_answers_rides() -> None:
    parts = load_agent(load_pipeline(RIDES, {}).agents["measure_speed"], RIDES.parent)
    rides = [
        parts.codec.decode(value, {})
        for value in (b'{"metres": 5000, "seconds": 1000}', b'{"metres": 9000, "seconds": 900}',
                      b'{"metres": 5, "seconds": 0}')
    ]  # fmt: skip
    model = parts.make_model()
    assert model.predict_batch(rides) == [
        {"kmh": 18.0, "is_fast": False},
        {"kmh": 36.0, "is_fast": True},
        None,
    ]


def test_bring_your_own_is_under_40_lines() -> None:
    files = [p for p in RIDES.parent.iterdir() if p.suffix in (".py", ".yaml")]
    assert len(files) == 2
    assert sum(len(p.read_text().splitlines()) for p in files) < 40


@pytest.mark.parametrize("agent", load_pipeline(EXAMPLES / "penstock.yaml", {}).agents)
def test_each_agent_of_the_default_pipeline_can_be_made(agent: str) -> None:
    settings = load_pipeline(EXAMPLES / "penstock.yaml", {}).agents[agent]
    checked = check_agent(agent, settings, EXAMPLES, is_loading=False)
    assert checked.problem == ""
    assert checked.event == settings.event
