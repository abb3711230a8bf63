"""Run the demo: a broker, the engine, the producers, and the accounts at the end."""

from __future__ import annotations

import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.commands.cluster import broker_at
from agents.commands.demo.engine import Engine, Watch, run_engine
from agents.commands.demo.inputs import Inputs
from agents.commands.demo.kafka import client_settings, delete_group, prepare_topics, starts_broker
from agents.commands.demo.metrics import whole_run
from agents.commands.demo.pictures import PictureRecorder
from agents.commands.demo.pipeline import load_run, run_environment, write_pipeline
from agents.commands.demo.production import Production, produce
from agents.commands.demo.report import Report
from agents.commands.demo.results import Listener, RecordFiles
from agents.commands.demo.views import Snapshot, View
from streams.settings import PipelineSettings

#: On the user's cluster, so that no other pipeline there mistakes the demo's events for real ones.
TOPIC_PREFIX = "demo."
#: Limit for the engine to finish what was published.
_DRAIN_SECONDS = 60.0
#: Limit for reading the last results.
_READ_BACK_SECONDS = 15.0


@dataclass(frozen=True)
class Options:
    """How to run the demo."""

    broker: str
    """`embedded`, `kafka`, or the address of a cluster."""
    seconds: float
    """How long to publish."""
    out: Path
    """Folder for the files of the run."""


@dataclass(frozen=True)
class _Setup:
    """The parts of a run that exist before anything is published."""

    settings: PipelineSettings
    engine: Engine
    listener: Listener
    files: RecordFiles


def run_demo(options: Options, inputs: Inputs, view: View, stop: Callable[[], bool]) -> Report:
    """Run the demo.

    Args:
        options: of the run.
        inputs: the events to publish.
        view: shows the run.
        stop: ends the run early, but in order, when true.

    Raises:
        UserError: the engine did not start.
        BrokerError: the broker did not start, or can't be used.
        PipelineFileError: a `PENSTOCK_KAFKA__...` in the environment is wrong.
        OSError: the output folder can't be written.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    run_id = secrets.token_hex(4)
    recorder = PictureRecorder(options.seconds)
    with ExitStack() as stack:
        setup = _set_up(stack, options, inputs, view, run_id, recorder)
        setup.engine.wait_until_ready(stop)
        production = Production(inputs, setup.settings, run_id, options.seconds, recorder.add_event)
        watch = Watch(setup.settings, setup.engine, production, setup.listener, view)
        with produce(production):
            watch.until("running", options.seconds, stop=stop)
        faults = [*_drain(watch, production, setup), *_stop(setup, view), *production.faults()]
    view.show(Snapshot("drawing pictures", options.seconds))
    pictures = recorder.draw(options.out)
    return _report(setup, watch, production, pictures, faults)


def _set_up(
    stack: ExitStack,
    options: Options,
    inputs: Inputs,
    view: View,
    run_id: str,
    recorder: PictureRecorder,
) -> _Setup:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-demo-")))
    view.show(Snapshot("starting the broker"))
    servers = stack.enter_context(broker_at(options.broker))
    is_started_here = starts_broker(options.broker)
    kafka = {**client_settings(options.broker, servers), "group.id": f"penstock-demo-{run_id}"}
    environment = run_environment(is_started_here)
    pipeline = folder / "penstock.yaml"
    write_pipeline(pipeline, inputs, kafka, "" if is_started_here else TOPIC_PREFIX)
    settings = load_run(pipeline, environment)
    starts = prepare_topics(settings)
    if not is_started_here:
        stack.callback(delete_group, settings.kafka)
    view.show(Snapshot("starting the engine and loading its models"))
    engine = stack.enter_context(run_engine(pipeline, options.out / "worker.log", environment))
    topics = [topic for agent in settings.agents.values() for topic in agent.output_topics]
    files = stack.enter_context(RecordFiles(options.out, topics))
    listener = Listener(settings.kafka, starts, files, recorder)
    stack.enter_context(_listening(listener))
    return _Setup(settings, engine, listener, files)


@contextmanager
def _listening(listener: Listener) -> Iterator[None]:
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        listener.join()


def _drain(watch: Watch, production: Production, setup: _Setup) -> Iterator[str]:
    """Wait until every record is finished and every result read; yield what is not."""

    def is_settled() -> bool:
        return all(account.is_settled for account in production.accounts(watch.last))

    watch.until("finishing the last records", _DRAIN_SECONDS, is_settled)
    for account in production.accounts(watch.last):
        yield from account.differences()

    def unread() -> dict[str, int]:
        return _num_unread(setup, production, watch)

    watch.until("reading the last results", _READ_BACK_SECONDS, lambda: not unread())
    for topic, count in unread().items():
        yield f"{topic}: {count} records that the engine wrote could not be read back"
    if setup.listener.failure:
        yield setup.listener.failure


def _num_unread(setup: _Setup, production: Production, watch: Watch) -> dict[str, int]:
    """Return how many records of each output topic have not been read yet, where any."""
    written: Counter[str] = Counter()
    for account in production.accounts(watch.last):
        written.update(account.results)
        written[setup.settings.agents[account.agent].dead_letter_topics[0]] += (
            account.num_dead_lettered
        )
    return dict(written - Counter(setup.files.num_lines))


def _stop(setup: _Setup, view: View) -> Iterator[str]:
    """Stop the engine in order; yield what went wrong."""
    view.show(Snapshot("stopping the engine"))
    was_running = setup.engine.is_alive
    code = setup.engine.leave()
    if code != 0:
        how = "when it was stopped" if was_running else "by itself"
        yield f"the engine ended {how} with exit code {code}: see {setup.engine.log}"


def _report(
    setup: _Setup, watch: Watch, production: Production, pictures: list[Path], faults: list[str]
) -> Report:
    accounts = production.accounts(watch.last)
    agents, log = setup.settings.agents, setup.engine.log
    return Report(
        accounts=accounts,
        rows=[whole_run(a.agent, agents[a.agent], watch.last) for a in accounts],
        bad_records=production.bad_records(),
        files=[*pictures, *map(setup.files.path, setup.files.num_lines), *([log] if log else [])],
        faults=faults,
    )
