"""Plan and carry out the move of one agent's state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.commands.rekey.partition_states import PartitionState, StateReader
from agents.commands.rekey.partitioners import PARTITIONERS, partition_of, recognize
from agents.commands.rekey.plan import NewStates, PartitionPlan, new_states, plan_moves
from agents.commands.rekey.report import RekeyedPartition, RekeyReport
from agents.commands.rekey.storing import commit_moved, store_state
from agents.errors import UserError
from agents.pipeline.parts import AgentParts, load_agent
from agents.pipeline.topics import learning_agents, make_store
from models.keyed_state import KeyedState
from streams.decoding import Decoder
from streams.kafka.admin import num_members, probe, topic_ids
from streams.kafka.positions import is_same_topic
from streams.kafka.reader import TopicReader
from streams.settings import PipelineSettings
from streams.state.snapshot import StateError, StateStore


@contextmanager
def open_rekeying(
    settings: PipelineSettings, config: Path, agent: str, partitioner: str
) -> Iterator[Rekeying]:
    """Open the store and the broker for a move; state errors become UserErrors.

    Args:
        settings: of the pipeline.
        config: the pipeline file.
        agent: whose state to move.
        partitioner: `auto`, or one of `PARTITIONERS`.

    Raises:
        UserError: the agent has no state that could be moved.
    """
    learning = learning_agents(settings, config.parent)
    if agent not in learning:
        names = ", ".join(learning) or "none"
        raise UserError(f"{config}: no agent {agent} with an online model: expected one of {names}")
    if partitioner != "auto" and partitioner not in PARTITIONERS:
        raise UserError(f"--partitioner: expected auto or one of {', '.join(PARTITIONERS)}")
    parts = load_agent(settings.agents[agent], config.parent)
    model: Any = parts.make_model()
    if not isinstance(model, KeyedState):
        raise UserError(
            f"agent {agent}: model {model.name} learns one state from all sources of a partition, "
            "so there is nothing to move: the models of the old partitions continue, those of "
            "new partitions start fresh"
        )
    store = make_store(settings)
    if store is None:
        raise UserError(f"{config}: state.store is none: no snapshots are stored")
    isolation = "read_committed" if settings.guarantee == "exactly_once" else "read_uncommitted"
    isolation = str(settings.kafka.get("isolation.level", isolation))
    try:
        with TopicReader(settings.kafka, settings.group, isolation) as reader:
            yield Rekeying(settings, agent, partitioner, parts, store, reader)
    except StateError as error:
        raise UserError(str(error)) from error
    finally:
        store.close()


class Rekeying:
    """Moves the state of one agent."""

    def __init__(
        self,
        settings: PipelineSettings,
        agent: str,
        partitioner: str,
        parts: AgentParts,
        store: StateStore,
        reader: TopicReader,
    ) -> None:
        self._settings = settings
        self._agent = agent
        self._partitioner = partitioner
        self._store = store
        self._model: Any = parts.make_model()
        of = settings.agents[agent]
        decoder: Decoder[Any] = Decoder(
            parts.codec, of.max_record_bytes, of.limits, parts.event_type
        )
        make_model: Callable[[], Any] = parts.make_model
        self._states = StateReader(store, reader, decoder, make_model)
        self._topic_ids: dict[str, str] = {}
        self._report = RekeyReport(agent=agent)

    def run(self, num_partitions: int | None, is_applying: bool) -> RekeyReport:
        """Plan, and move the state if that is asked for and nothing stands against it.

        Raises:
            UserError: a topic is missing, a snapshot can't be used, or the records are not
                partitioned by source_id.
        """
        existing = probe(self._settings.kafka).topics
        if count := num_members(self._settings.kafka, self._settings.group):
            self._report.obstacles.append(
                f"{count} workers of group {self._settings.group} are running: stop them first"
            )
        inputs = self._settings.agents[self._agent].inputs
        self._topic_ids = topic_ids(self._settings.kafka, inputs)
        planned = [self._plan(topic, existing.get(topic, 0), num_partitions) for topic in inputs]
        if is_applying and not self._report.obstacles:
            for found, made in planned:
                self._store_all(found, made)
            self._verify(planned)
            for found, _ in planned:
                topic_id = self._topic_ids[found[0].key.topic]
                commit_moved(self._settings.kafka, self._settings.group, found, topic_id)
            self._report.is_applied = True
        return self._report

    def _plan(
        self, topic: str, existing: int, wanted: int | None
    ) -> tuple[list[PartitionState], NewStates]:
        if not existing:
            raise UserError(f"the broker has no topic {topic}")
        num_partitions = wanted or existing
        if num_partitions < existing:
            raise UserError(f"{topic} has {existing} partitions, and Kafka removes none")
        if num_partitions > existing:
            self._report.obstacles.append(
                f"{topic} has {existing} partitions: add the others first, with "
                f"`kafka-topics.sh --alter --topic {topic} --partitions {num_partitions}`"
            )
        found = self._states.read(self._agent, topic, existing, self._topic_ids[topic])
        learned = [state.learned for state in found] + [{}] * (num_partitions - existing)
        home = partition_of(self._recognized(topic, learned), num_partitions)
        plans = plan_moves(learned, home)
        states = [state.state for state in found] + [None] * (num_partitions - existing)
        made = new_states(self._model, states, plans)
        self._check(found, home)
        self._add_lines(topic, found, plans, made)
        return found, made

    def _recognized(self, topic: str, learned: list[dict[str, int]]) -> str:
        """Return the partitioner to use.

        Raises:
            UserError: no partitioner explains where the sources lie.
        """
        best = recognize(learned)
        counts = " or ".join(map(str, dict.fromkeys([best.num_before, len(learned)])))
        note = (
            f"{topic}: {best.num_explained} of {best.num_sources} sources lie where {best.name} "
            f"puts their source_id among {counts} partitions"
        )
        if self._partitioner != "auto":
            self._report.notes.append(f"{note}; moved by {self._partitioner} as asked")
            return self._partitioner
        if best.num_explained < best.num_sources:
            raise UserError(
                f"{note}: its records are not partitioned by source_id (other keys, or another "
                "partitioner), so it is not known where each source belongs: name the producers' "
                "partitioner with --partitioner if their keys are the source_ids; or let the "
                f"models start fresh: `penstock state reset {self._agent}`"
            )
        self._report.notes.append(note)
        return best.name

    def _check(self, found: list[PartitionState], home: Callable[[bytes], int]) -> None:
        for state in found:
            if not is_same_topic(state.committed.topic_id, self._topic_ids[state.key.topic]):
                self._report.obstacles.append(
                    f"{state.key}: the committed offset belongs to an earlier topic of this name: "
                    "let workers begin to read the new one first"
                )
            elif state.is_missing:
                self._report.obstacles.append(
                    f"{state.key}: records up to offset {state.position} are answered, but there "
                    f"is no snapshot: what was learned is lost; accept that with `penstock state "
                    f"reset {self._agent} --partition {state.key.partition}`"
                )
            elif unread := self._states.num_unread_strangers(state, home):
                self._report.obstacles.append(
                    f"{state.key}: {unread} records from offset {state.position} on are not "
                    "answered yet, and their keys belong to other partitions now: let workers "
                    "read to the end before the state moves"
                )

    def _add_lines(
        self,
        topic: str,
        found: list[PartitionState],
        plans: list[PartitionPlan],
        made: NewStates,
    ) -> None:
        for partition, plan in enumerate(plans):
            final = made.final(partition)
            known = found[partition].learned if partition < len(found) else {}
            after = len(known if final is None else self._model.learned_values(final))
            self._report.num_left_out += len(plan.holders) - after
            self._report.partitions.append(
                RekeyedPartition(
                    topic=topic,
                    partition=partition,
                    position=found[partition].position if partition < len(found) else 0,
                    sources=len(known),
                    leave=len(plan.leaving),
                    arrive=len(plan.arriving(partition)),
                    after=after,
                )
            )

    def _store_all(self, found: list[PartitionState], made: NewStates) -> None:
        topic_id = self._topic_ids[found[0].key.topic]
        for states in (made.first, made.then):
            for partition, state in states.items():
                store_state(self._store, found[partition], self._model, state, topic_id)

    def _verify(self, planned: list[tuple[list[PartitionState], NewStates]]) -> None:
        """Read everything that was stored again.

        Raises:
            UserError: it is not what was stored.
        """
        for found, made in planned:
            topic = found[0].key.topic
            again = self._states.read(self._agent, topic, len(found), self._topic_ids[topic])
            for partition, state in enumerate(again):
                final = made.final(partition)
                if final is not None and state.state != final:
                    raise UserError(
                        f"{state.key}: the stored state is not the one that was written: is "
                        "another worker or command using it? Run this command again"
                    )
