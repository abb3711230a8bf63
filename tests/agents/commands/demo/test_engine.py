from pathlib import Path

import pytest

from agents.commands.demo.engine import run_engine
from agents.commands.demo.pipeline import run_environment
from agents.errors import UserError


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    missing, log = tmp_path / "missing.yaml", tmp_path / "worker.log"
    with run_engine(missing, log, run_environment(starts_broker=True)) as engine:
        with pytest.raises(UserError, match=r"did not start: .*no such file"):
            engine.wait_until_ready(lambda: False)
        assert engine.leave() == 2
