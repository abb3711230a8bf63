"""Merges the clusters of all partitions into one picture with ids that last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.base import OnlineModel
from models.clustering.global_picture import with_report
from models.clustering.picture import Picture, Whole
from models.clustering.picture_changes import changes
from models.clustering.picture_state import picture_of, state_of
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import ClusterReport, GlobalCluster, InputError
from schemas.errors import SchemaError

_STATE_VERSION = 1


@dataclass(frozen=True)
class _Known:
    """The state: the picture, and the clusters as their latest records have them."""

    picture: Picture = field(default_factory=Picture)
    published: dict[int, Whole] = field(default_factory=dict)


class MergeClusters(OnlineModel[ClusterReport, GlobalCluster]):
    """One picture of the clusters whose updates it reads.

    Micro-clusters are additive. Those of all partitions within `reach` of each other, and those
    that are one cluster in their partition, are one global cluster; with `k`, k-means groups the
    partitions' clusters. Distances are in the scale of all partitions together. A global cluster
    keeps its id while most of its weight stays together.
    A report takes the place of its partition's last; an older one changes nothing.

    Each report is answered with a record for every cluster that changed because of it. Memory:
    `max_micro_clusters` of 2 * `max_features` + 7 numbers, and while a report is merged, the square
    of their number. Nothing is random.
    """

    name, version = "merge_clusters", "1"
    event_type, result_type = ClusterReport, GlobalCluster

    learn_every = 1
    """Each report is answered with the picture that it makes."""

    def __init__(
        self,
        reach: float | None = None,
        k: int = 0,
        min_drift: float = 0.05,
        min_growth: float = 1.25,
        max_silence: int = 1000,
        max_micro_clusters: int = 4000,
        max_features: int = 64,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            reach: scaled distance up to which micro-clusters are of one cluster, > 0; None: as the
                updates state it.
            k: number of clusters, by k-means over those of the partitions, 1 to 1000; 0: as many as
                `reach` gives.
            min_drift: scaled distance that a center moves before it is published again, >= 0.
            min_growth: factor by which a weight changes before it is published again, > 1.
            max_silence: reports of others after which a partition is forgotten, >= 1.
            max_micro_clusters: of all partitions together, 1 to 10,000; a report that would bring
                more is refused.
            max_features: the most features, 1 to 1024; later ones are ignored.
        """
        self.reach = None if reach is None else check_option("reach", reach, 1e-9, 1e9)
        self.k = check_option("k", k, 0, 1000)
        self.min_drift = check_option("min_drift", min_drift, 0)
        self.min_growth = check_option("min_growth", min_growth, 1.000001)
        self.max_silence = check_option("max_silence", max_silence, 1)
        self.max_micro_clusters = check_option("max_micro_clusters", max_micro_clusters, 1, 10_000)
        self.max_features = check_option("max_features", max_features, 1, 1024)
        self._known = _Known()
        self._latest: tuple[_Known, ClusterReport, _Known, list[GlobalCluster]] | None = None
        self._incidents: dict[str, int] = {}

    def predict_batch(
        self, batch: Sequence[ClusterReport]
    ) -> list[list[GlobalCluster] | InputError]:
        """Return what each report changes in the picture; changes nothing.

        Args:
            batch: B reports of partitions.

        Returns:
            B lists in input order, by ascending id, empty where nothing changed; or an error for a
            report that does not fit: it is too large, states no distance, or takes logs where the
            others do not.
        """
        return [self._answer(report) for report in batch]

    def _answer(self, report: ClusterReport) -> list[GlobalCluster] | InputError:
        problem = self._problem(report)
        return SchemaError(problem) if problem else self._merged(report)[1]

    def _problem(self, report: ClusterReport) -> str:
        """Return why a report can't be merged; "" if it can."""
        picture = self._known.picture
        if self.reach is None and report.reach <= 0 and not self.k:
            return (
                f"the update of {report.agent or 'an agent'} states no reach, because its model "
                "does not group by distance: set the option k (or reach) of merge_clusters"
            )
        others = [p for key, p in picture.parts.items() if key != (report.agent, report.partition)]
        if others and report.is_log != picture.is_log:
            return "the update and those of other partitions differ in is_log: use one option log"
        total = sum(len(part.ids) for part in others) + len(report.clusters)
        if total > self.max_micro_clusters:
            return (
                f"{total:,} micro-clusters with this update: merge_clusters has "
                f"max_micro_clusters: {self.max_micro_clusters:,}"
            )
        return ""

    def _is_stale(self, report: ClusterReport) -> bool:
        part = self._known.picture.parts.get((report.agent, report.partition))
        return part is not None and report.sequence < part.sequence

    def _merged(self, report: ClusterReport) -> tuple[_Known, list[GlobalCluster]]:
        """Return the state after a report, and what it changes."""
        known = self._known
        if self._is_stale(report):
            return known, []
        latest = self._latest
        # Learning a report repeats what answering it did: the objects are never changed.
        if latest is not None and latest[0] is known and latest[1] is report:
            return latest[2], latest[3]
        reach = self.reach if self.reach is not None else report.reach
        picture = with_report(
            known.picture, report, reach, self.max_features, self.max_silence, self.k
        )
        records = changes(known.published, picture, self.min_drift, self.min_growth)
        published = dict(known.published)
        for record in records:
            if record.status == "died":
                del published[record.global_id]
            else:
                published[record.global_id] = picture.wholes[record.global_id]
        state = _Known(picture, dict(sorted(published.items())))
        self._latest = known, report, state, records
        return state, records

    def learn_batch(self, batch: Sequence[ClusterReport]) -> None:
        """Put each report in the place of its partition's last."""
        for report in batch:
            if self._problem(report):
                kind = "refused_update"
            elif self._is_stale(report):
                kind = "stale_update"
            else:
                self._known = self._merged(report)[0]
                continue
            self._incidents[kind] = self._incidents.get(kind, 0) + 1

    def take_incidents(self) -> dict[str, int]:
        """Return how many updates were refused or older than the last of their partition."""
        incidents, self._incidents = self._incidents, {}
        return incidents

    def _options(self) -> dict[str, Option]:
        names = ("reach", "k", "max_micro_clusters", "max_features")
        return {name: getattr(self, name) for name in names}

    def snapshot(self) -> bytes:
        """Return the picture and the clusters as published."""
        names, arrays = state_of(self._known.picture, self._known.published)
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options. The
                model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        self._known = _Known(*picture_of(saved))
        self._latest = None
