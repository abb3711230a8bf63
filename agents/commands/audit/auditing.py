"""Audit a pipeline: read all of its topics once, then judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from agents.commands.audit.agent_audit import AgentAudit, AuditOptions, Context
from agents.commands.audit.report import Report
from streams.kafka.admin import ClusterInfo, num_members, probe, topic_ids
from streams.kafka.errors import BrokerError, or_hidden
from streams.kafka.reader import TopicReader
from streams.settings import EXACTLY_ONCE, AgentSettings, PipelineSettings

_DEFAULT_OPTIONS = AuditOptions()


def audit_pipeline(
    settings: PipelineSettings,
    options: AuditOptions = _DEFAULT_OPTIONS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Read all topics of a pipeline to their present ends and account for every input record.

    Workers and producers may keep running: committed offsets are read first, then the ends of the
    output, then those of the input.

    Args:
        settings: of the pipeline.
        options: what to audit, and how strictly.
        on_progress: called with the records read so far and in all.

    Raises:
        BrokerError: the broker can't be reached or read, or a topic does not exist.
        ValueError: there is no such agent.
    """
    if unknown := set(options.agents) - settings.agents.keys():
        raise ValueError(
            f"no agent {min(unknown)!r}: the pipeline file has {', '.join(settings.agents)}"
        )
    started = time.monotonic()
    progress = _Progress(on_progress)
    names = options.agents or list(settings.agents)
    group = str(settings.kafka.get("group.id", "penstock"))
    with ExitStack() as stack:
        default = "read_committed" if settings.guarantee == EXACTLY_ONCE else "read_uncommitted"
        isolation = str(settings.kafka.get("isolation.level", default))
        inputs = stack.enter_context(TopicReader(settings.kafka, group, isolation))
        outputs = stack.enter_context(TopicReader(settings.kafka, group, options.isolation))
        cluster = _cluster(settings, names, options)
        topics = sorted({t for name in names for t in _topics(settings.agents[name])})
        ids = topic_ids(settings.kafka, topics)
        # Asked before the offsets are read, so that any worker with records in work is counted.
        has_workers = cluster.is_embedded or num_members(settings.kafka, group) > 0
        context = Context(settings, options, inputs, outputs, cluster, ids, group, has_workers)
        audits = [
            AgentAudit(name, topic, context)
            for name in names
            for topic in settings.agents[name].inputs
        ]
        progress.total = sum(audit.num_offsets for audit in audits)
        reports = [audit.run(progress.read) for audit in audits]
        _check_unchanged(ids, topic_ids(settings.kafka, topics))
    return Report(reports, group, time.monotonic() - started, progress.done)


class _Progress:
    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self.done = self.total = 0
        self._on_progress = on_progress

    def read(self, count: int) -> None:
        self.done += count
        self._on_progress(self.done, max(self.total, self.done))


def _cluster(
    settings: PipelineSettings, names: Sequence[str], options: AuditOptions
) -> ClusterInfo:
    """Return the cluster's metadata; check that the pipeline's topics exist."""
    cluster = probe(settings.kafka)
    if options.since_ms and cluster.is_embedded:
        raise BrokerError("the embedded broker can't find offsets by time: leave out --since")
    agents = [settings.agents[name] for name in names]
    topics = {topic for agent in agents for topic in _topics(agent)}
    if missing := topics - cluster.topics.keys():
        raise BrokerError(
            f"the broker has no topic {', '.join(sorted(missing))}{or_hidden(settings.kafka)}"
        )
    return cluster


def _topics(agent: AgentSettings) -> list[str]:
    return [*agent.inputs, agent.output, *agent.dead_letter_topics]


def _check_unchanged(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raise if a topic was made again while it was read.

    Raises:
        BrokerError: the ids differ.
    """
    if changed := [topic for topic, topic_id in before.items() if after[topic] != topic_id]:
        raise BrokerError(
            f"{', '.join(changed)}: deleted or made again during the audit: run the audit again"
        )
