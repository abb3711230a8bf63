"""The whole topology: events arrive on a topic, an agent groups them, a model answers, the answer
goes to another topic."""  # noqa: D205, D209

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import REGISTRY

from agents.errors import UserError
from agents.pipeline.devices import choose_devices
from agents.pipeline.parts import load_agent
from agents.pipeline.states import make_store
from agents.process.cores import available_cores, leaves_the_lock, share_cores
from agents.process.forced_exit import HANG_EXIT_CODE, ModelHangsError, end_process_after
from agents.process.model_proxy import isolated
from models.base import ModelError
from schemas import Event, make_codec
from streams.affinity import allowed_cores, keep_to
from streams.app import App, make_app
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.encoding import ResultEncoder
from streams.executor import host_executor, preparing_executor
from streams.garbage import tune_garbage_collector
from streams.health.http_server import serve
from streams.health.metrics import Metrics
from streams.inference import Inference
from streams.kafka.compression import CODECS
from streams.model_pool import ModelPool
from streams.protocols import RecordSink
from streams.records import Packing, RecordBatch
from streams.settings import AgentSettings, PipelineSettings
from streams.state.keeper import StateKeeper
from streams.transport.sink import KafkaSink

logger = logging.getLogger(__name__)

#: How long an orderly leave may take while a model call hangs.
_HANG_SECONDS = 10.0

Agent = Callable[[AsyncIterable[RecordBatch]], Awaitable[None]]


class Worker:
    """A pipeline's app and its agents."""

    def __init__(
        self,
        settings: PipelineSettings,
        base_dir: Path = Path(),
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Make every agent and its model; nothing is loaded and nothing connected.

        Args:
            settings: the pipeline.
            base_dir: where the file's relative paths start.
            registry: where the metrics go.

        Raises:
            ModelError: a model, an event type or a codec does not exist or does not fit.
            ValueError: a `kafka:` setting is wrong.
        """
        self.settings = settings
        self.metrics = Metrics(registry)
        self.app: App = make_app(settings, self.metrics)
        self.failure: BaseException | None = None
        """Why the worker ended by itself, if it did."""
        self._host = host_executor(available_cores())
        self._preparing = preparing_executor(available_cores(), allowed_cores())
        producer = self.app.client_arguments["producer"]
        self.packing = Packing(producer["max_batch_size"], CODECS[producer.get("compression_type")])
        self._sink = self._make_sink()
        self._store = make_store(settings)
        self.inferences = [
            _make_inference(name, agent, base_dir, self) for name, agent in settings.agents.items()
        ]
        for inference in self.inferences:
            self._add_agent(inference)
        health = self.app.health
        health.watch(self.inferences)
        health.on_hang = self._end_for_hang
        self.metrics.show(health.live, health.ready)
        num_busy = sum(i.pool.num_copies for i in self.inferences if i.pool.has_own_threads)
        share_cores(num_busy, available_cores())

    def _make_sink(self) -> RecordSink:
        transactions = self.app.exactly_once
        if transactions is None:
            return KafkaSink(lambda: self.app.producer._ensure_producer())
        transactions.on_failure = self.stop_for
        return transactions

    @property
    def learning_agents(self) -> list[str]:
        """The agents whose models learn."""
        return [i.agent for i in self.inferences if i.pool.is_online]

    def load(self) -> None:
        """Load and warm up every model, before the worker joins its group.

        Raises:
            ModelError: one can't be loaded; names the agent.
        """
        for inference in self.inferences:
            try:
                inference.pool.load()
            except ModelError as error:
                raise ModelError(f"agent {inference.agent}: {error}") from error
            except Exception as error:  # a user's own model may raise anything
                logger.debug("agent %s can't load its model", inference.agent, exc_info=True)
                raise ModelError(
                    f"agent {inference.agent}: its model can't be loaded: "
                    f"{type(error).__name__}: {error} (--log-level DEBUG tells where)"
                ) from error
        tune_garbage_collector()

    def share_one_core(self) -> None:
        """Keep the threads that hold the interpreter lock to one core: they take turns anyway.

        To be called on the main thread, after `load`: what models and their libraries have started
        by then may use all cores, what the main thread starts from now on has the one. Models that
        may leave the lock keep all cores: those that prepare, that use a GPU, that have several
        copies, and all beside a library with threads of its own.
        """
        core = allowed_cores()[:1]
        for inference in self.inferences:
            if inference.pool.is_light and not leaves_the_lock():
                inference.pool.keep_to(core)
        keep_to(core)

    def serve_metrics(self) -> None:
        """Serve `/metrics`, `/live` and `/ready` from a thread of its own.

        Raises:
            UserError: the address is taken or not this machine's.
        """
        host, port = self.settings.metrics.host, self.settings.metrics.port
        probes = {"/live": self.app.health.live, "/ready": self.app.health.ready}
        try:
            port = serve(host, port, self.metrics.registry, probes)
        except OSError as error:
            raise UserError(
                f"can't serve metrics at {host}:{port}: {error.strerror}: set metrics.port in the "
                "pipeline file, or 0 for any free one"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        logger.info("metrics at http://%s:%d/metrics", shown, port)

    async def stop_for(self, failure: BaseException) -> None:
        """End the worker in order, because the broker refuses its output for good.

        What is not acknowledged stays uncommitted: it is read again once the cause is mended.
        """
        if self.failure is None:
            self.failure = failure
            logger.error("the worker ends: %s", failure)
            self.app.drain_seconds = 0
            os.kill(os.getpid(), signal.SIGTERM)

    async def _end_for_hang(self, why: str) -> None:
        """End the worker, although a thread that no one can end hangs in a model call."""
        for inference in self.inferences:
            limit = inference.call_limit_seconds
            if limit is not None and inference.pool.calls.longest_seconds() > limit:
                self.metrics.model_timeouts.labels(inference.agent).inc()
        end_process_after(_HANG_SECONDS, HANG_EXIT_CODE)
        await self.stop_for(ModelHangsError(why))

    def end_in_time(self, leaving_seconds: float) -> None:
        """Have the process end soon after its app was asked to, whatever waits for whom then.

        Args:
            leaving_seconds: beyond `shutdown_timeout_seconds`: to commit and to leave the group.
        """

        def end_soon() -> None:
            code = 0 if self.failure is None else 1
            end_process_after(self.app.drain_seconds + leaving_seconds, code)

        self.app.on_stopping = end_soon

    @property
    def has_calls(self) -> bool:
        """Whether a thread is still in a model call, and would keep the process from ending."""
        return any(inference.pool.calls.longest_seconds() for inference in self.inferences)

    def _add_agent(self, inference: Inference) -> None:
        first, *others = inference.settings.inputs
        agent = self._add_stream(first, inference.agent, inference)
        agent.add_dependency(inference)
        if inference.pool.is_online:
            agent.add_dependency(self._keep_state(inference))
        for topic in others:
            # A stream of its own, so that one that is held back holds back no other. Its name
            # can't be an agent's.
            self._add_stream(topic, f"{inference.agent}[{topic}]", inference)
        self.app.assigned.on_change(inference.drop_stale, inference.pool.keep_only)

    def _add_stream(self, topic: str, name: str, inference: Inference) -> Any:
        stream = self.app.topic(topic, key_type=bytes, value_type=bytes, acks=False)
        return self.app.agent(stream, name=name)(answer_events(inference, name))

    def _keep_state(self, inference: Inference) -> StateKeeper:
        name, inputs, pool = inference.agent, inference.settings.inputs, inference.pool
        keeper = StateKeeper(
            name,
            pool,
            self._store,
            self.settings.state,
            tracker=self.app.assigned.tracker,
            metrics=self.metrics.for_agent(name, inputs, pool.name),
            on_failure=self.stop_for,
        )
        self.app.assigned.keep_state(inputs, keeper)
        return keeper

    @property
    def host(self) -> ThreadPoolExecutor:
        """The pool for decoding and encoding, shared by all agents."""
        return self._host

    @property
    def preparing(self) -> ThreadPoolExecutor:
        """The pool for what comes before a model, shared by all agents."""
        return self._preparing

    @property
    def sink(self) -> RecordSink:
        """The way out, shared by all agents."""
        return self._sink


def answer_events(inference: Inference, name: str) -> Agent:
    """Events in; what the model answers out, in order per key."""

    async def agent(batches: AsyncIterable[RecordBatch]) -> None:
        async for batch in batches:  # one RecordBatch per partition fetch
            await inference.submit(batch)  # decode, micro-batch, predict, produce, then finish

    agent.__module__, agent.__qualname__ = "", name  # its name in logs and trees
    return agent


def _make_inference(name: str, agent: AgentSettings, base_dir: Path, worker: Worker) -> Inference:
    try:
        parts = load_agent(agent, base_dir)
        devices = choose_devices(agent.device, parts.model_type)
        make_model = isolated(worker.metrics, name, agent, base_dir, parts)
        pool = ModelPool(name, make_model, agent.concurrency, devices)
    except ModelError as error:
        raise ModelError(f"agent {name}: {error}") from error
    metrics = worker.metrics.for_agent(name, agent.inputs, pool.name)
    tracker = worker.app.assigned.tracker
    return Inference(
        name,
        agent,
        decoder=Decoder(parts.codec, agent.max_record_bytes, agent.limits, parts.event_type),
        pool=pool,
        encoder=ResultEncoder(name, make_codec(agent.output_codec, Event), pool, worker.packing),
        delivery=Delivery(
            name, agent, worker.sink, tracker, metrics, worker.stop_for, worker.packing
        ),
        metrics=metrics,
        host=worker.host,
        preparing=worker.preparing,
    )
