from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents import AGENTS
from agents.commands.check import check_agent
from agents.pipeline.file import load_pipeline
from agents.pipeline.parts import load_agent
from models.base import OnlineModel
from models.evaluation import answer_stream
from schemas import SensorReading, SpokenAudio
from streams.settings import AgentSettings
from tests.conftest import skip_or_fail

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


def without_budgets(agents: dict[str, AgentSettings]) -> dict[str, AgentSettings]:
    """What is fast enough is for each pipeline to say."""
    return {name: replace(a, event_age_budget_seconds=None) for name, a in agents.items()}


def test_the_example_writes_out_the_declared_agents(tmp_path: Path) -> None:
    # docs/vision.md shows the others: they need weights, or read what these write.
    written = load_pipeline(EXAMPLES / "penstock.yaml", {}).agents
    declared = {name: AGENTS[name] for name in written}
    assert len(declared) == 4
    assert without_budgets(written) == declared
    # Under other names, which inherit nothing: the file states each key.
    text = (EXAMPLES / "penstock.yaml").read_text()
    for name in declared:
        text = text.replace(f"  {name}:", f"  my_{name}:")
    (tmp_path / "penstock.yaml").write_text(text)
    copied = load_pipeline(tmp_path / "penstock.yaml", {}).agents
    assert without_budgets(copied) == {f"my_{name}": agent for name, agent in declared.items()}


def test_spoken_alerts_speak_of_the_reading_that_is_not_normal() -> None:
    if find_spec("hibari") is None:
        skip_or_fail("the extra `demo` is not installed: no hibari-tts")
    agents = load_pipeline(EXAMPLES / "spoken-alerts.yaml", {}).agents
    assert list(agents) == ["score_anomalies", "announce_anomalies", "speak_text"]
    score, announce, speak = (load_agent(agent, EXAMPLES) for agent in agents.values())
    assert agents["announce_anomalies"].inputs == [agents["score_anomalies"].output]
    assert agents["speak_text"].inputs == [agents["announce_anomalies"].output]
    readings = [
        SensorReading(source_id="pump-7", values={"pressure_bar": 2.0 + number % 5 / 10})
        for number in range(400)
    ]
    readings[390] = SensorReading(source_id="pump-7", values={"pressure_bar": 90.0})
    detector = score.make_model()
    assert isinstance(detector, OnlineModel)
    scores: list[Any] = answer_stream(detector, readings)
    for result, reading in zip(scores, readings, strict=True):
        result.source_id = reading.source_id
    reports = [announce.codec.decode(msgspec.json.encode(result), {}) for result in scores]
    worded: list[Any] = [
        answer for answer in announce.make_model().predict_batch(reports) if answer
    ]
    assert [alert.text for alert in worded] == ["Warning, pressure bar of pump 7 is not normal."]
    message = speak.codec.decode(msgspec.json.encode(worded[0]), {})
    synthesizer = speak.make_model()
    synthesizer.load("cpu")
    (spoken,) = synthesizer.predict_batch([message])
    assert isinstance(spoken, SpokenAudio)
    assert spoken.text == worded[0].text
    assert 2000 < spoken.duration_ms < 6000
    synthesizer.close()


@pytest.mark.parametrize("name", AGENTS)
def test_each_declared_agent_can_be_made(name: str) -> None:
    checked = check_agent(name, AGENTS[name], EXAMPLES, is_loading=False)
    assert checked.problem == ""
    assert checked.event == AGENTS[name].event
