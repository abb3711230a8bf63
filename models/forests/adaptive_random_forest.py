"""Classifies events by a random forest that learns from late labels and follows change."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base import OnlineModel
from models.feedback.running_accuracy import RunningAccuracy
from models.feedback.waiting_events import WaitingEvents
from models.forests.adaptive_forest import AdaptiveForest
from models.forests.feature_table import check_names, feature_row, numbers_of
from models.forests.ranking import rank_classes
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import Classification, Event, Feedback, InputError

_LAYOUT_VERSION = 1
Answers = list[Classification | InputError | None]

_rows = msgspec.json.Decoder(list[float])


class AdaptiveRandomForest(OnlineModel[Event, Classification]):
    """Reads the numbers of `SensorReading`, `BehaviorEvent` or an event type of your own.

    It learns a label by the event's numbers, which it keeps until the label comes. Its features are
    those of the option, or of the first event; an event that lacks one is an `InputError`, further
    ones are ignored. Before the first label the class is "".
    """

    name = "adaptive_random_forest"
    event_type = Event
    result_type = Classification
    side_types = (Feedback,)
    learn_every = 64

    def __init__(
        self,
        features: list[str] | None = None,
        num_trees: int = 10,
        max_nodes: int = 200,
        max_classes: int = 100,
        max_waiting: int = 2000,
        accuracy_window: int = 1000,
        top_k: int = 3,
        seed: int = 0,
        learn_every: int = 64,
    ) -> None:
        """Make a forest that knows nothing.

        Args:
            features: names of the numbers that it reads; None: those of the first event.
            num_trees: trees that vote, 1 to 200; as many grow behind them after warnings.
            max_nodes: nodes of a tree, 1 to 100,000; a tree that has them grows no more.
            max_classes: classes learned from labels, at most, 2 to 10,000; further ones are refused
                and counted.
            max_waiting: events of a partition that are remembered until their labels come, 1 to
                1,000,000.
            accuracy_window: labels that the measured accuracy is about, 1 to 1,000,000.
            top_k: number of classes in a result, 1 to 1000.
            seed: seeds the resampling of rows and the choice of features, 0 to 2^31.
            learn_every: offsets in a learning step, 1 to 100,000.
        """
        self._fixed = check_names(features)
        self._num_trees = check_option("num_trees", num_trees, 1, 200)
        self._max_nodes = check_option("max_nodes", max_nodes, 1, 100_000)
        self._max_classes = check_option("max_classes", max_classes, 2, 10_000)
        self._max_waiting = check_option("max_waiting", max_waiting, 1, 1_000_000)
        self._window = check_option("accuracy_window", accuracy_window, 1, 1_000_000)
        self._top_k = check_option("top_k", top_k, 1, 1000)
        self._seed = check_option("seed", seed, 0, 2**31)
        self.learn_every = check_option("learn_every", learn_every, 1, 100_000)
        self._names = self._fixed or []
        self._classes: list[str] = []
        self._forest = self._new_forest(self._names)
        self._waiting = WaitingEvents(max_waiting)
        self._accuracy = RunningAccuracy(accuracy_window)
        self._num_refused = 0

    def _new_forest(self, names: Sequence[str]) -> AdaptiveForest:
        return AdaptiveForest(self._num_trees, len(names), self._max_nodes, self._seed)

    def predict_batch(self, batch: Sequence[Event]) -> Answers:
        """Return the likeliest classes of each event; labels have no answer."""
        answers: Answers = [None] * len(batch)
        places: list[int] = []
        rows: list[list[float]] = []
        for place, event in enumerate(batch):
            if isinstance(event, Feedback):
                continue
            row = feature_row(event, self._names or sorted(numbers_of(event) or ()))
            if isinstance(row, InputError):
                answers[place] = row
            else:
                places.append(place)
                rows.append(row)
        for place, result in zip(places, self._classify(rows), strict=True):
            answers[place] = result
        return answers

    def _classify(self, rows: list[list[float]]) -> list[Classification]:
        if not self._classes:
            return [Classification(label="", class_id=-1, score=0.0, top=[]) for _ in rows]
        if not rows:
            return []
        scores = self._forest.scores(np.array(rows, np.float64))
        return rank_classes(self._classes, scores[:, : len(self._classes)], self._top_k)

    def note_offsets(self, partition: tuple[str, int], offsets: Sequence[int]) -> None:
        """Note where the events of the next step are, which their labels name."""
        self._waiting.note(partition, offsets)

    def learn_batch(self, batch: Sequence[Event]) -> None:
        """Remember the step's events, and learn those whose labels are in it, in order."""
        rows: list[list[float]] = []
        classes: list[int] = []
        seeds: list[int] = []
        for offset, event in zip(self._waiting.offsets_of(len(batch)), batch, strict=True):
            if not isinstance(event, Feedback):
                self._remember(offset, event)
            elif found := self._waiting.take(event):
                number = self._class_of(event.label)
                if number >= 0:
                    rows.append(_rows.decode(found.payload))
                    classes.append(number)
                    seeds.append(offset)
        if rows:
            self._learn(np.array(rows), np.array(classes), np.array(seeds))

    def _remember(self, offset: int, event: Event) -> None:
        if not self._names:
            self._names = sorted(numbers_of(event) or ())
            self._forest = self._new_forest(self._names)
        row = feature_row(event, self._names)
        if self._names and not isinstance(row, InputError):
            payload = msgspec.json.encode(row).decode()
            self._waiting.add(offset, event.event_id, payload)

    def _class_of(self, label: str) -> int:
        """Return a class's number, a new one if it is new; -1 if there is no room for it."""
        if label in self._classes:
            return self._classes.index(label)
        if len(self._classes) == self._max_classes:
            self._num_refused += 1
            return -1
        self._classes.append(label)
        return len(self._classes) - 1

    def _learn(
        self, rows: NDArray[np.float64], classes: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> None:
        """Score each row with the present forest, then learn it."""
        expected = self._forest.learn(rows, classes, len(self._classes), seeds)
        for is_right in (expected == classes).tolist():
            self._accuracy.add(is_right)

    def label_sums(self) -> tuple[float, float]:
        """Return the decayed numbers of right answers and of labels."""
        return self._accuracy.num_right, self._accuracy.num_labels

    def take_incidents(self) -> dict[str, int]:
        """Return the labels that were not learned since the last call, and new trees, by kind."""
        refused, self._num_refused = self._num_refused, 0
        return {**self._waiting.take_incidents(), "refused_class": refused}

    def _options(self) -> dict[str, Option]:
        return {
            "features": self._fixed, "num_trees": self._num_trees, "max_nodes": self._max_nodes,
            "max_classes": self._max_classes, "max_waiting": self._max_waiting,
            "accuracy_window": self._window, "seed": self._seed,
        }  # fmt: skip

    def snapshot(self) -> bytes:
        """Return the forest, and the events that wait for labels."""
        names = {**self._waiting.names(), "classes": self._classes, "features": self._names}
        arrays = {
            **self._forest.arrays(), **self._waiting.arrays(),
            "sums": np.array(self.label_sums()),
        }  # fmt: skip
        return pack(self.name, _LAYOUT_VERSION, self._options(), names, arrays)

    def restore(self, state: bytes) -> None:
        """Take the forest and the waiting events of a snapshot."""
        saved = unpack(state, self.name, _LAYOUT_VERSION, self._options())
        names = list(saved.list_of("features"))
        forest = self._new_forest(names)
        forest.load(saved)
        waiting = WaitingEvents.load(self._max_waiting, saved)
        sums = saved.array("sums", np.zeros(0), 2).tolist()
        classes = list(saved.list_of("classes"))
        self._names, self._forest, self._waiting, self._classes = names, forest, waiting, classes
        self._accuracy.num_right, self._accuracy.num_labels = sums
