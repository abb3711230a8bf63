from __future__ import annotations

from pathlib import Path

import pytest

from agents import AGENTS
from agents.commands.check import check_agent
from agents.pipeline.file import load_pipeline
from agents.pipeline.parts import load_agent

EXAMPLES = Path(__file__).parents[2] / "examples"
RIDES = EXAMPLES / "rides" / "penstock.yaml"


def test_bring_your_own_answers_rides() -> None:
    parts = load_agent(load_pipeline(RIDES, {}).agents["measure_speed"], RIDES.parent)
    rides = [
        parts.codec.decode(value, {})
        for value in (b'{"meters": 5000, "seconds": 1000}', b'{"meters": 9000, "seconds": 900}',
                      b'{"meters": 5, "seconds": 0}')
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


def test_the_example_writes_out_the_declared_agents(tmp_path: Path) -> None:
    # docs/vision.md shows the others: they need weights, or read what these write.
    written = load_pipeline(EXAMPLES / "penstock.yaml", {}).agents
    declared = {name: AGENTS[name] for name in written}
    assert len(declared) == 4
    assert written == declared
    # Under other names, which inherit nothing: the file states each key.
    text = (EXAMPLES / "penstock.yaml").read_text()
    for name in declared:
        text = text.replace(f"  {name}:", f"  my_{name}:")
    (tmp_path / "penstock.yaml").write_text(text)
    copied = load_pipeline(tmp_path / "penstock.yaml", {}).agents
    assert copied == {f"my_{name}": agent for name, agent in declared.items()}


@pytest.mark.parametrize("name", AGENTS)
def test_each_declared_agent_can_be_made(name: str) -> None:
    checked = check_agent(name, AGENTS[name], EXAMPLES, is_loading=False)
    assert checked.problem == ""
    assert checked.event == AGENTS[name].event
