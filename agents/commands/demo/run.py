"""The whole run: a broker, the engine beside it, producers, and the accounts at the end."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.commands.cluster import broker_at
from agents.commands.demo.cluster import (
    client_settings,
    forget_group,
    is_own,
    prepare_topics,
)
from agents.commands.demo.cluster_log import ClusterLog
from agents.commands.demo.engine import Engine, run_engine
from agents.commands.demo.gallery import Gallery
from agents.commands.demo.inputs import Inputs
from agents.commands.demo.listening import Listener
from agents.commands.demo.pictures import Recordings, draw_pictures
from agents.commands.demo.pipeline import load_run, run_environment, write_pipeline
from agents.commands.demo.production import Production, produce
from agents.commands.demo.record_lines import RecordFiles
from agents.commands.demo.report import Report
from agents.commands.demo.rows import whole_run
from agents.commands.demo.series import SensorLog
from agents.commands.demo.view import Snapshot, View
from agents.commands.demo.watching import Watch
from streams.settings import PipelineSettings

#: On a cluster of the user's: so that no pipeline of theirs takes the demo's events for real.
TOPIC_PREFIX = "demo."
#: How long the engine may take to finish what was published.
_DRAIN_SECONDS = 60.0
#: How long the last results may take to be read back.
_READ_BACK_SECONDS = 15.0


@dataclass(frozen=True)
class Options:
    """How to run."""

    broker: str
    """`embedded`, `kafka`, or the address of a cluster."""
    seconds: float
    """How long to publish."""
    out: Path
    """The folder for what the run leaves behind."""


@dataclass(frozen=True)
class _Site:
    """What a run consists of before anything is published."""

    settings: PipelineSettings
    engine: Engine
    listener: Listener
    files: RecordFiles


def run_demo(options: Options, inputs: Inputs, view: View, stop: threading.Event) -> Report:
    """Run the demo.

    Args:
        options: of the run.
        inputs: what is published.
        view: shows it.
        stop: once set, the run ends early, but in order.

    Raises:
        DemoError: the engine did not start.
        BrokerError: the broker did not start, or can't be used.
        PipelineFileError: the environment holds a `PENSTOCK_KAFKA__...` that is not right.
        OSError: the folder for the output can't be written.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    run_id = secrets.token_hex(4)
    recordings = Recordings(Gallery(options.seconds), SensorLog(), ClusterLog())
    recorders = (recordings.gallery, recordings.sensors, recordings.clusters)
    with ExitStack() as stack:
        site = _set_up(stack, options, inputs, view, run_id, recorders)
        site.engine.wait_until_ready(stop.is_set)
        production = Production(inputs, site.settings, run_id, options.seconds, recorders)
        watch = Watch(site.settings, site.engine, production, site.listener, view)
        with produce(production):
            watch.until("running", options.seconds, lambda: False, stop)
        faults = [*_drain(watch, production, site), *_stop(site, view), *production.faults()]
    view.show(Snapshot("drawing pictures", options.seconds))
    pictures = draw_pictures(recordings, options.out)
    return _report(site, watch, production, pictures, faults)


def _set_up(
    stack: ExitStack,
    options: Options,
    inputs: Inputs,
    view: View,
    run_id: str,
    recorders: tuple[Gallery, SensorLog, ClusterLog],
) -> _Site:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-demo-")))
    view.show(Snapshot("starting the broker"))
    servers = stack.enter_context(broker_at(options.broker))
    is_ours = is_own(options.broker)
    kafka = {**client_settings(options.broker, servers), "group.id": f"penstock-demo-{run_id}"}
    environment = run_environment(is_ours)
    write_pipeline(folder / "penstock.yaml", inputs, kafka, "" if is_ours else TOPIC_PREFIX)
    settings = load_run(folder / "penstock.yaml", environment)
    starts = prepare_topics(settings)
    if not is_ours:
        stack.callback(forget_group, settings.kafka)
    view.show(Snapshot("starting the engine and loading its models"))
    log = options.out / "worker.log"
    engine = stack.enter_context(run_engine(folder / "penstock.yaml", log, environment))
    topics = [topic for agent in settings.agents.values() for topic in agent.output_topics]
    files = stack.enter_context(RecordFiles(options.out, topics))
    listener = Listener(settings.kafka, starts, files, recorders)
    stack.enter_context(_listening(listener))
    return _Site(settings, engine, listener, files)


@contextmanager
def _listening(listener: Listener) -> Iterator[None]:
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        listener.join()


def _drain(watch: Watch, production: Production, site: _Site) -> Iterator[str]:
    """Wait until everything that was produced is finished and read back; yield what is not."""
    never = threading.Event()

    def is_settled() -> bool:
        return all(account.is_settled for account in production.accounts(watch.last))

    watch.until("finishing what is under way", _DRAIN_SECONDS, is_settled, never)
    for account in production.accounts(watch.last):
        yield from account.differences()

    def unread() -> dict[str, int]:
        return _unread(site, production, watch)

    watch.until("reading the last results", _READ_BACK_SECONDS, lambda: not unread(), never)
    for topic, missing in unread().items():
        yield f"{topic}: {missing} records that the engine wrote could not be read back"
    if site.listener.failure:
        yield site.listener.failure


def _unread(site: _Site, production: Production, watch: Watch) -> dict[str, int]:
    """Return how many records of each output topic have not been read yet, where any."""
    written: dict[str, int] = {}
    for account in production.accounts(watch.last):
        dead_letters = site.settings.agents[account.agent].dead_letter_topics[0]
        for topic, count in {**account.results, dead_letters: account.num_dead_lettered}.items():
            written[topic] = written.get(topic, 0) + count
    missing = {topic: count - site.files.num_lines[topic] for topic, count in written.items()}
    return {topic: count for topic, count in missing.items() if count > 0}


def _stop(site: _Site, view: View) -> Iterator[str]:
    """Stop the engine in order; yield what is wrong with how it ended."""
    view.show(Snapshot("stopping the engine"))
    was_running = site.engine.exit_code is None
    code = site.engine.stop()
    if code != 0:
        how = "when it was stopped" if was_running else "by itself"
        yield f"the engine ended {how} with exit code {code}: see {site.engine.log}"


def _report(
    site: _Site, watch: Watch, production: Production, pictures: list[Path], faults: list[str]
) -> Report:
    accounts = production.accounts(watch.last)
    return Report(
        accounts=accounts,
        rows=[whole_run(a.agent, site.settings.agents[a.agent], watch.last) for a in accounts],
        bad_ones=production.bad_ones(),
        files=[*pictures, *map(site.files.path, site.files.num_lines), site.engine.log],
        faults=faults,
    )
