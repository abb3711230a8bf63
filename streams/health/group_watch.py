"""Warn when another pipeline's workers are in the consumer group; asked after each rebalance."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection

from aiokafka.errors import KafkaError
from mode import Service

from streams.health.metrics import Metrics
from streams.kafka.group_members import Member, Membership, strangers

logger = logging.getLogger(__name__)

#: One rebalance often follows another: wait this long, and up to twice, so that the members of a
#: large group do not ask all at once.
_SETTLE_SECONDS = 2.0


class GroupWatch(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """Describes the group after a rebalance and logs each member of another pipeline once."""

    def __init__(
        self,
        own: Membership,
        inputs: Collection[str],
        members: Callable[[], Awaitable[Collection[Member]]],
        metrics: Metrics,
        **kwargs: object,
    ) -> None:
        """Ask for nothing yet.

        Args:
            own: what this worker says about itself.
            inputs: the topics that this pipeline reads.
            members: returns the members of the group; raises KafkaError.
            metrics: of the worker.
            kwargs: of the service.
        """
        super().__init__(**kwargs)
        self._own = own
        self._inputs = inputs
        self._members = members
        self._metrics = metrics
        self._known: set[Member] = set()
        self._rebalanced = asyncio.Event()

    def rebalanced(self) -> None:
        """Ask soon: the group has rebalanced."""
        self._rebalanced.set()

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        while not self.should_stop:
            await self._rebalanced.wait()
            await asyncio.sleep(_SETTLE_SECONDS * random.uniform(1.0, 2.0))
            self._rebalanced.clear()
            try:
                await self.check()
            except (KafkaError, TimeoutError, NotImplementedError) as error:
                # The embedded broker can't describe groups, and another one may be away.
                logger.debug("can't describe the consumer group: %s", error)

    async def check(self) -> None:
        """Ask once.

        Raises:
            KafkaError: the broker does not answer, or can't describe groups.
        """
        found = strangers(await self._members(), self._own, self._inputs)
        self._metrics.foreign_members.set(len(found))
        for member, sentence in found.items():
            if member not in self._known:
                logger.warning("%s", sentence)
        self._known = set(found)
