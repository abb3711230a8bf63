"""The whole topology: events arrive on a topic, an agent groups them, a model answers, the answer
goes to another topic."""  # noqa: D205, D209

from __future__ import annotations

import logging
import platform
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import REGISTRY

from agents.pipeline.parts import choose_devices, load_agent, make_decoder
from agents.pipeline.schemas import AgentSchemas
from agents.pipeline.topics import make_store
from agents.process.exit import HANG_EXIT_CODE, ModelHangsError, end_process_after
from agents.process.model_proxy import isolated
from agents.process.share import available_cores, share_cores
from agents.process.tracing import make_tracing
from models.base import ModelError
from streams.app import App
from streams.delivery import Delivery
from streams.encoding import ResultEncoder
from streams.executor import host_executor, preparing_executor, tune_garbage_collector
from streams.health.gpu_metrics import watch_gpus
from streams.health.metrics import Metrics
from streams.inference import Inference
from streams.kafka.record_format import CODECS
from streams.model_pool import ModelPool
from streams.output_records import Packing
from streams.records import RecordBatch
from streams.settings import AgentSettings, PipelineSettings
from streams.state.keeper import StateKeeper
from streams.state.snapshot import StateStore
from streams.transport.sink import KafkaSink

logger = logging.getLogger(__name__)

#: How long a worker whose model call hangs may take to leave its group.
_HANG_SECONDS = 10.0

Agent = Callable[[AsyncIterable[Sequence[RecordBatch]]], Awaitable[None]]


def answer_events(inference: Inference, name: str) -> Agent:
    """Events in; what the model answers out, in order per key."""

    async def agent(fetches: AsyncIterable[Sequence[RecordBatch]]) -> None:
        async for batches in fetches:  # one RecordBatch per partition of a fetch
            await inference.submit(batches)  # decode, micro-batch, predict, produce, then finish

    agent.__module__, agent.__qualname__ = "", name  # its name in logs and trees
    return agent


class Worker:
    """A pipeline's app and its agents."""

    def __init__(
        self,
        settings: PipelineSettings,
        base_dir: Path = Path(),
        registry: CollectorRegistry = REGISTRY,
        on_stopping: Callable[[App], None] = lambda app: None,
    ) -> None:
        """Make every agent and its model; nothing is loaded and nothing connected.

        Args:
            settings: of the pipeline.
            base_dir: where the relative paths in the pipeline file start.
            registry: where the metrics go.
            on_stopping: called with the app when it begins to stop.

        Raises:
            ModelError: a model, an event type or a codec does not exist or does not fit.
            ValueError: a `kafka:` setting is wrong.
        """
        self.settings = settings
        self.metrics = Metrics(registry)
        self.metrics.show_build(version("penstock"), platform.python_version())
        self.tracing = make_tracing(settings.group, version("penstock"))
        watch_gpus(registry)
        self.app = App(settings, self.metrics, on_stopping=on_stopping, on_hang=self._end_for_hang)
        self.sink = self.app.exactly_once or KafkaSink(lambda: self.app.producer.client_producer)
        producer = self.app.client_arguments["producer"]
        self.packing = Packing(producer["max_batch_size"], CODECS[producer.get("compression_type")])
        self.host = host_executor(available_cores())
        self.preparing = preparing_executor(available_cores())
        self.schemas = AgentSchemas(settings.registry, self.app.stop_for)
        store = make_store(settings)
        self.inferences = [
            self._make_inference(name, agent, base_dir) for name, agent in settings.agents.items()
        ]
        for inference in self.inferences:
            self._add_agent(inference, store)
        health = self.app.health
        health.watch(self.inferences)
        self.metrics.show(lambda: health.live().ok, lambda: health.ready().ok)
        num_busy = sum(i.pool.num_copies for i in self.inferences if i.pool.has_own_threads)
        share_cores(num_busy, available_cores())

    def _make_inference(self, name: str, agent: AgentSettings, base_dir: Path) -> Inference:
        """Join the parts of one agent: what decodes, answers, encodes and delivers."""
        try:
            parts = load_agent(agent, base_dir, is_checking_json=self.schemas.is_checking_json)
            make_model = isolated(self.metrics, name, agent, base_dir, parts)
            devices = choose_devices(agent.device, parts.model_type)
            has_updates = agent.updates is not None
            on_incidents = partial(self.metrics.model_incidents, name)
            on_waited = self.metrics.model_unavailable.labels(name).inc
            pool = ModelPool(
                name, make_model, agent.concurrency, devices, has_updates, on_incidents, on_waited
            )
        except ModelError as error:
            raise ModelError(f"agent {name}: {error}") from error
        if pool.online is not None and hasattr(parts.model_type, "label_sums"):
            self.metrics.show_accuracy(name, pool.online.accuracy)
        budget = agent.event_age_budget_seconds
        metrics = self.metrics.for_agent(name, agent.inputs, pool.name, budget)
        tracker, stop_for = self.app.assigned.tracker, self.app.stop_for
        # In a transaction the brokers themselves reject what a former owner sends.
        may_send = self.app.group_session.confirm if self.app.exactly_once is None else None
        codec = self.schemas.output_codec(name, agent, parts)
        return Inference(
            name,
            agent,
            decoder=make_decoder(agent, parts),
            pool=pool,
            encoder=ResultEncoder(name, codec, pool, self.packing),
            delivery=Delivery(
                name,
                agent,
                self.sink,
                tracker,
                metrics,
                stop_for,
                self.packing,
                may_send,
                letter_codec=self.schemas.letter_codec(name, agent),
            ),
            metrics=metrics,
            host=self.host,
            preparing=self.preparing,
            schemas=self.schemas.supply(name, parts.framed),
            tracer=self.tracing and self.tracing(name, pool.name, agent.inputs),
        )

    def _add_agent(self, inference: Inference, store: StateStore | None) -> None:
        """Add one Faust agent to the app; its further inputs are streams beside it."""
        first, *others = inference.settings.inputs
        agent = self._add_stream(first, inference.agent, inference)
        agent.add_dependency(inference)
        if inference.pool.is_online:
            agent.add_dependency(self._keep_state(inference, store))
        for topic in others:
            # Each topic has a stream: one that is held back does not hold back the others. No
            # agent can have its name.
            self._add_stream(topic, f"{inference.agent}[{topic}]", inference)
        self.app.assigned.on_change(inference.drop_stale, inference.pool.keep_only)

    def _add_stream(self, topic: str, name: str, inference: Inference) -> Any:
        stream = self.app.topic(topic, key_type=bytes, value_type=bytes, acks=False)
        return self.app.agent(stream, name=name)(answer_events(inference, name))

    def _keep_state(self, inference: Inference, store: StateStore | None) -> StateKeeper:
        name, inputs, pool = inference.agent, inference.settings.inputs, inference.pool
        keeper = StateKeeper(
            name,
            pool,
            store,
            self.settings.state,
            tracker=self.app.assigned.tracker,
            metrics=self.metrics.for_agent(name, inputs, pool.name),
            on_failure=self.app.stop_for,
            topic_id=lambda topic: str(self.app.consumer.topic_id(topic)),
        )
        self.app.assigned.keep_state(inputs, keeper)
        if self.settings.state.store == "topic":
            self.app.lost.add_output(self.settings.state_topic(name), f"state of agent {name}")
        return keeper

    def load(self) -> None:
        """Load and warm up every model, before the worker joins its group.

        Raises:
            ModelError: one can't be loaded; names the agent.
            RegistryError: a schema that an agent writes with is not registered.
        """
        self.schemas.learn_ids()
        for inference in self.inferences:
            try:
                inference.pool.load()
            except ModelError as error:
                raise ModelError(f"agent {inference.agent}: {error}") from error
            except Exception as error:  # a user's model may raise anything
                logger.debug("agent %s can't load its model", inference.agent, exc_info=True)
                raise ModelError(
                    f"agent {inference.agent}: its model can't be loaded: "
                    f"{type(error).__name__}: {error} (--log-level DEBUG shows where)"
                ) from error
            pool = inference.pool
            self.metrics.show_model(inference.agent, pool.name, pool.version, pool.device)
        tune_garbage_collector()

    @property
    def learning_agents(self) -> list[str]:
        """The agents whose models learn."""
        return [i.agent for i in self.inferences if i.pool.is_online]

    @property
    def has_calls(self) -> bool:
        """Whether a thread is still in a model call, and would keep the process from ending."""
        return any(inference.pool.calls.longest_seconds() for inference in self.inferences)

    async def _end_for_hang(self, reason: str) -> None:
        """End the worker although a model call hangs in a thread that nothing can end."""
        for inference in self.inferences:
            limit = inference.call_limit_seconds
            if limit is not None and inference.pool.calls.longest_seconds() > limit:
                self.metrics.model_timeouts.labels(inference.agent).inc()
        end_process_after(_HANG_SECONDS, HANG_EXIT_CODE)
        await self.app.stop_for(ModelHangsError(reason))
