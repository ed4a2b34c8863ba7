"""Whether a consumer gets on: how much it has not taken yet, and whether the broker still answers it.

A client whose group moves to another broker can end as one that neither fetches nor rejoins, with no error. It is known
by its silence: a consumer that is well asks every partition for more many times a second.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError

POSITION_SECONDS = 1.0


class Progress(ConsumerRebalanceListener):  # type: ignore[misc]
    """What liveness looks at, for one consumer. Instants are of the monotonic clock."""

    def __init__(self) -> None:
        self.lag = 0
        """Messages not yet taken, over all partitions, as the last look found."""
        self._taken_at = time.monotonic()
        self._working = False
        self._worked_at = time.monotonic()
        self._assignment_awaited_since: float | None = None
        self._silent_since: float | None = None
        self._forgiven_at: float | None = None
        self._answered: dict[TopicPartition, tuple[int | None, float]] = {}
        """Per partition the stamp of the last answer to a fetch, and when we first saw that stamp."""

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the library's signature
        """A rebalance begins."""
        self._assignment_awaited_since = time.monotonic()

    async def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002 - the library's signature
        """It ended; an empty assignment is one too, when there are more processes than partitions."""
        self._assignment_awaited_since = None

    def begin(self) -> None:
        """The consumer is made, or made anew."""
        self._assignment_awaited_since = None
        self._silent_since = None
        self._forgiven_at = None
        self._answered.clear()
        self._worked_at = time.monotonic()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around a batch: nothing is fetched meanwhile, and that is well."""
        self._working = True
        try:
            yield
            self._taken_at = time.monotonic()
        finally:
            self._working = False
            self._worked_at = time.monotonic()

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Measures lag and silence from what the last fetches told, which works with every broker."""
        self._silent_since = self._earliest_unanswered(consumer)
        self.lag = sum([await _lag(consumer, partition) for partition in consumer.assignment()])
        if self.lag == 0:
            # Nothing to take is no standstill: the time counts from when there is something.
            self._taken_at = time.monotonic()

    def _earliest_unanswered(self, consumer: AIOKafkaConsumer) -> float | None:
        if self._assignment_awaited_since is not None:
            self._answered.clear()
            return self._assignment_awaited_since
        now = time.monotonic()
        answered: dict[TopicPartition, tuple[int | None, float]] = {}
        for partition in consumer.assignment():
            stamp = consumer.last_poll_timestamp(partition)
            known = self._answered.get(partition)
            answered[partition] = known if known is not None and known[0] == stamp else (stamp, now)
        self._answered = answered
        return min((seen for _, seen in answered.values()), default=None)

    def silent_for(self) -> float:
        """Seconds for which the broker has not answered, while the consumer was not busy."""
        if self._working or self._silent_since is None:
            return 0.0
        return time.monotonic() - max(self._silent_since, self._worked_at, self._forgiven_at or 0.0)

    def forgive(self) -> None:
        """The silence counts anew from here: the broker was away, and a client that lives finds back by itself."""
        self._forgiven_at = time.monotonic()

    def forgiven(self) -> bool:
        """Whether the present silence was forgiven before."""
        if self._forgiven_at is None or self._silent_since is None:
            return False
        return self._silent_since < self._forgiven_at

    def stuck_for(self) -> float:
        """Seconds for which there has been lag and no progress; 0 when all is well."""
        return time.monotonic() - self._taken_at if self.lag else 0.0


async def _lag(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    try:
        end = consumer.highwater(partition)
        if end is None:
            return 0
        # It waits only when the position is being found anew.
        position = await asyncio.wait_for(consumer.position(partition), POSITION_SECONDS)
    except (AssertionError, IllegalStateError, TimeoutError):
        # The partition went to another process between the two questions, or is on its way.
        return 0
    return int(max(0, end - position))
