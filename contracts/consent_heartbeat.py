"""How fresh a consumer's view of consents is.

A heartbeat travels in the topic whose freshness it proves (`consent.consent-changed.v1`), one to every partition: who
has read it has read every consent of that partition that was registered before `as_of`. Silence closes the electronic
channels.
"""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from contracts.base import EVENT_NAMESPACE, Event, EventId, Instant
from contracts.consent_changed import ConsentChanged


class ConsentHeartbeat(Event):
    """Everything that was registered before `as_of` stands before this message in its partition."""

    TOPIC: ClassVar[str] = "consent.consent-heartbeat.v1"
    """The event's type. It is carried on `CARRIER`."""
    CARRIER: ClassVar[str] = ConsentChanged.TOPIC

    as_of: Instant
    partition: int = Field(ge=0)
    partitions: int = Field(ge=1)
    """How many partitions the topic has: the view is as old as the oldest of them."""

    def aggregate(self) -> UUID:
        """The partition."""
        return uuid5(EVENT_NAMESPACE, f"{self.TOPIC}/{self.partition}")

    def key(self) -> UUID:
        """The partition's id; the message is sent to the partition by number."""
        return self.aggregate()

    def occurred_at(self) -> AwareDatetime:
        """The instant for which it speaks."""
        return self.as_of

    def event_id(self) -> EventId:
        """UUIDv5 of the partition and the instant."""
        return EventId(uuid5(EVENT_NAMESPACE, f"{self.TOPIC}/{self.partition}/{self.as_of.isoformat()}"))


EXAMPLE = ConsentHeartbeat(as_of=datetime(2026, 9, 2, 8, 0, 5, tzinfo=UTC), partition=3, partitions=6)
