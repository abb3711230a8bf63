"""A deep autoencoder for each source, trained online: what it can't reconstruct is unusual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.anomaly.autoencoder_source import AutoencoderSource, Plan, Training
from models.anomaly.autoencoder_state import pack_autoencoders, unpack_autoencoders
from models.anomaly.source_model import Arrays, SourceModel
from models.anomaly.stacked_autoencoders import Autoencoders, Shape
from models.anomaly.window_state import pack_windows, unpack_windows
from models.options import check_option
from models.snapshots import Option, Snapshot
from schemas import SensorReading

Bools = NDArray[np.bool_]


class DeepAutoencoder(SourceModel[AutoencoderSource]):
    """For each source_id, a network that reconstructs the subsequences of its readings.

    Sources need not be alike: each has its own network. Those that are due in a learning step are
    trained together, in one call on the device. A subsequence is the values of the last `window`
    readings, scaled channel by channel. The raw score is the root mean square of what the network
    does not reconstruct, relative to the errors of usual readings so far. The score and incidents
    are those of every calibrated detector. A result has each channel's share of the squared error.

    The first `min_values` readings fix channels and scales (`SourceWindow`) and train the network
    in `first_steps` steps. Then each `train_every` usual readings train it in `steps` steps, on
    random ones of the last `memory` usual readings. Unusual readings are not learned.

    Memory: with D = window * channels (about 64 by default) and P = (D + 1) (2 hidden + 1) +
    2 hidden code parameters, 24 P + 8 D memory bytes (420 kB by default), for at most `max_keys`
    sources. Random numbers depend on `seed` and on the number of the source's readings alone. On
    the CPU, the same log gives the same state to the last bit for the same number of threads.

    Source: Hinton and Salakhutdinov, 2006, "Reducing the Dimensionality of Data with Neural
    Networks", Science 313; Sakurada and Yairi, 2014, "Anomaly Detection Using Autoencoders with
    Nonlinear Dimensionality Reduction", MLSDA.
    """

    name, version = "deep_autoencoder", "1"
    uses_gpu: ClassVar[bool] = True
    _remembers = False

    def __init__(
        self,
        window: int = 0,
        hidden: int = 32,
        code: int = 0,
        memory: int = 512,
        first_steps: int = 300,
        steps: int = 8,
        train_every: int = 32,
        learning_rate: float = 0.003,
        min_values: int = 256,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 256,
        max_channels: int = 64,
        seed: int = 1,
        learn_every: int = 1,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            window: readings in a subsequence, 1 to 1024; 0: 64 divided by the number of channels.
            hidden: width of the outer hidden layers, 1 to 4096.
            code: width of the innermost layer, up to 4096; 0: a quarter of the values.
            memory: usual readings to train on, 64 to 65536.
            first_steps: training steps before a source is scored, 1 to 100000.
            steps: training steps at a time, 1 to 10000.
            train_every: usual readings from one training to the next, 1 to `memory`.
            learning_rate: of Adam, 1e-6 to 1.
            min_values: readings to collect before a source is scored, at least `window`, 32 to
                65536.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source, 1 to 1024; further ones are ignored.
            seed: seed of weights and batches, >= 0.
            learn_every: offsets in a learning step, >= 1. A subsequence has no other reading of
                its own step: with more than 1 it has gaps where a source comes twice in a step.
        """
        self._plan = Plan(
            window=check_option("window", window, 0, 1024),
            hidden=check_option("hidden", hidden, 1, 4096),
            code=check_option("code", code, 0, 4096),
            memory=check_option("memory", memory, 64, 65_536),
            first_steps=check_option("first_steps", first_steps, 1, 100_000),
            steps=check_option("steps", steps, 1, 10_000),
            train_every=check_option("train_every", train_every, 1, memory),
            learning_rate=check_option("learning_rate", learning_rate, 1e-6, 1.0),
            min_values=check_option("min_values", min_values, max(32, window), 65_536),
            max_channels=check_option("max_channels", max_channels, 1, 1024),
            seed=check_option("seed", seed, 0, 2**32 - 1),
        )
        self._set_options(threshold, rest, max_keys, learn_every)
        self._networks: Autoencoders | None = None

    def load(self, device: str = "cpu") -> None:
        """Choose the device; imports torch."""
        self._networks = Autoencoders(device)
        for source in self._sources:
            source.networks = self._networks

    def _loaded(self) -> Autoencoders:
        if self._networks is None:
            self.load()
        assert self._networks is not None
        return self._networks

    def _new_source(self) -> AutoencoderSource:
        return AutoencoderSource(self._plan, self._loaded())

    def _learn_sources(
        self, steps: Sequence[tuple[AutoencoderSource, list[SensorReading], Bools]]
    ) -> None:
        due: dict[Shape, list[tuple[AutoencoderSource, Training]]] = defaultdict(list)
        for source, readings, is_usual in steps:
            source.learn(readings, is_usual)
            if (training := source.next_training()) is not None:
                due[training.shape].append((source, training))
        for shape, pairs in due.items():
            self._train(shape, pairs)

    def _train(self, shape: Shape, pairs: Sequence[tuple[AutoencoderSource, Training]]) -> None:
        """Train the networks of one shape; those with as many steps are trained together."""
        groups: dict[int, list[tuple[AutoencoderSource, Training]]] = defaultdict(list)
        for pair in pairs:
            groups[len(pair[1].batches)].append(pair)
        for group in groups.values():
            trained = self._loaded().train(
                shape,
                [source.network for source, _ in group],
                [training.vectors for _, training in group],
                [training.batches for _, training in group],
                self._plan.learning_rate,
            )
            for (source, training), network in zip(group, trained, strict=True):
                source.adopt(network, training)

    def _plan_options(self) -> dict[str, Option]:
        return dict(self._plan._asdict())

    def _pack_sources(
        self, sources: Sequence[AutoencoderSource]
    ) -> tuple[dict[str, list[str]], Arrays]:
        names, arrays = pack_windows([source.window for source in sources])
        return names, arrays | pack_autoencoders([s for s in sources if s.window.is_ready])

    def _unpack_sources(self, saved: Snapshot, count: int) -> list[AutoencoderSource]:
        sources = [self._new_source() for _ in range(count)]
        unpack_windows(saved, [source.window for source in sources])
        unpack_autoencoders(saved, [source for source in sources if source.window.is_ready])
        return sources
