"""Write the chart's files that have their source elsewhere: `python deploy/helm/generate.py`.

Helm reads files of its chart's folder only. So the rules of deploy/prometheus are copied there, and
which models learn is written there, from the registry. Run it after a change; a test compares.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

from agents import AGENTS
from agents.pipeline.parts import registered_model
from models.base import OnlineModel
from models.registry import model_names

_RULES = Path(__file__).parents[1] / "prometheus" / "rules"
FOLDER = Path(__file__).parent / "penstock" / "files"
_HEAD = "# Written by deploy/helm/generate.py: which models learn, for `kind: auto`.\n"


def models() -> dict[str, dict[str, object]]:
    """Return which registered models learn, and the model of each agent that Penstock ships."""
    return {
        "learns": {name: issubclass(registered_model(name), OnlineModel) for name in model_names()},
        "agents": {name: agent.model_name for name, agent in AGENTS.items()},
    }


def main(folder: Path = FOLDER) -> None:
    """Write the files into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "rules").mkdir(parents=True)
    for rules in sorted(_RULES.glob("*.yml")):
        shutil.copyfile(rules, folder / "rules" / rules.name)
    (folder / "models.yaml").write_text(_HEAD + yaml.safe_dump(models()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
