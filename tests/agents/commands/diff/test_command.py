"""What a restart with another file does is said before it happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from agents.commands.main import app

BASE: dict[str, Any] = {
    "kafka": {"bootstrap.servers": "127.0.0.1:9092", "group.id": "g", "sasl.password": "p1"},
    "agents": {
        "score": {
            "input": "readings",
            "output": "scores",
            "model": {"name": "robust_zscore", "options": {"max_keys": 100}},
        },
        "group": {"input": "events", "output": "groups", "model": "online_kmeans"},
    },
}


def diff(folder: Path, changed: dict[str, Any], base: dict[str, Any] = BASE) -> list[Any]:
    old, new = folder / "old.yaml", folder / "new.yaml"
    old.write_text(yaml.safe_dump(base))
    new.write_text(yaml.safe_dump(changed))
    done = CliRunner().invoke(app, ["diff", str(old), str(new), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    found = [(c["about"], c["weight"], c["text"]) for c in report["consequences"]]
    assert report["warnings"] == sum(weight == "warning" for _, weight, _ in found)
    return found


def with_agent(name: str, **settings: Any) -> dict[str, Any]:
    agents = {**BASE["agents"], name: {**BASE["agents"].get(name, {}), **settings}}
    return {**BASE, "agents": agents}


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    found = diff(tmp_path, BASE)
    assert {text for _, _, text in found} == {"what it has learned is kept"}


def test_a_moved_group_is_a_warning(tmp_path: Path) -> None:
    kafka = {**BASE["kafka"], "group.id": "h"}
    warnings = [c for c in diff(tmp_path, {**BASE, "kafka": kafka}) if c[1] == "warning"]
    assert [about for about, _, _ in warnings] == ["pipeline"]
    assert "the group is h instead of g" in warnings[0][2]
    assert "auto.offset.reset` (earliest)" in warnings[0][2]


def test_a_changed_secret_is_named_and_not_shown(tmp_path: Path) -> None:
    kafka = {**BASE["kafka"], "sasl.password": "p2"}
    (found,) = [c for c in diff(tmp_path, {**BASE, "kafka": kafka}) if c[0] == "pipeline"]
    assert found == ("pipeline", "note", "client settings change: sasl.password")


def test_another_model_does_not_fit_the_state(tmp_path: Path) -> None:
    found = diff(tmp_path, with_agent("score", model="half_space_trees"))
    (state,) = [c for c in found if "learned" in c[2] and c[0] == "agent score"]
    assert state[1] == "warning"
    assert "it was made by robust_zscore version" in state[2]
    assert state[2].endswith("the worker ends (state.on_mismatch: stop)")


def test_an_option_that_the_state_does_not_depend_on(tmp_path: Path) -> None:
    model = {"name": "half_space_trees", "options": {"min_values": 256}}
    other = {"name": "half_space_trees", "options": {"min_values": 300}}
    found = diff(tmp_path, with_agent("score", model=other), with_agent("score", model=model))
    (state,) = [c for c in found if "learned" in c[2] and c[0] == "agent score"]
    assert state[1:] == ("note", "what it has learned is kept")


def test_options_that_the_state_depends_on(tmp_path: Path) -> None:
    model = {"name": "half_space_trees", "options": {"trees": 25}}
    other = {"name": "half_space_trees", "options": {"trees": 30}}
    found = diff(tmp_path, with_agent("score", model=other), with_agent("score", model=model))
    (state,) = [c for c in found if "learned" in c[2] and c[0] == "agent score"]
    assert state[1] == "warning"
    assert "trees" in state[2]


def test_a_model_that_no_longer_learns(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from models.base import Model\nfrom schemas import SensorReading\n"
        "class Mine(Model):\n    name, event_type = 'mine', SensorReading\n"
        "    def predict_batch(self, batch):\n        return [{} for _ in batch]\n"
    )
    found = diff(tmp_path, with_agent("score", model="./mine.py:Mine"))
    (state,) = [c for c in found if "learned" in c[2] and c[0] == "agent score"]
    assert "mine does not learn" in state[2]


def test_agents_and_topics_come_and_go(tmp_path: Path) -> None:
    agents = {**BASE["agents"], "third": {**BASE["agents"]["score"], "input": "more",
                                          "output": "more.scores"}}  # fmt: skip
    del agents["group"]
    found = diff(tmp_path, {**BASE, "agents": agents})
    by_about = {about: (weight, text) for about, weight, text in found}
    assert by_about["agent group"][0] == "warning"
    assert "records of events wait unread" in by_about["agent group"][1]
    assert "it is new: it reads more" in by_about["agent third"][1]
    assert "it is needed as input of third" in by_about["topic more"][1]
    assert "with 4 partitions" in by_about["topic more"][1]
    assert "it is no longer used (output)" in by_about["topic groups"][1]


def test_a_moved_output_is_a_warning(tmp_path: Path) -> None:
    found = diff(tmp_path, with_agent("score", output="scores.v2"))
    assert ("agent score", "warning") in {(about, weight) for about, weight, _ in found}


def test_it_prints_a_table(tmp_path: Path) -> None:
    diff(tmp_path, BASE)
    arguments = ["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]
    lines = CliRunner().invoke(app, arguments).stdout.splitlines()
    assert lines[0] == "about\tweight\twhat"
    assert lines[1] == "agent group\tnote\twhat it has learned is kept"
