"""CloudEvents 1.0 on Kafka in binary mode: the metadata is in headers, the value is the JSON data."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol, Self, runtime_checkable
from uuid import UUID


class Publishable(Protocol):
    """An event as the outbox takes it."""

    TOPIC: ClassVar[str]

    def key(self) -> UUID:
        """The Kafka key."""
        ...

    def event_id(self) -> UUID:
        """`ce_id`."""
        ...

    def occurred_at(self) -> datetime:
        """`ce_time`."""
        ...

    def to_json(self) -> bytes:
        """The value."""
        ...


@runtime_checkable
class Tombstone(Protocol):
    """What is published without a value: a compacted topic then forgets the key."""

    def to_value(self) -> None:
        """Nothing."""
        ...


class Consumable(Publishable, Protocol):
    """An event as a consumer reads it."""

    @classmethod
    def from_json(cls, value: bytes | str) -> Self:
        """Reads the value."""
        ...

    def aggregate(self) -> UUID:
        """The aggregate that it tells about."""
        ...


def carrier(event: type[Publishable]) -> str:
    """The topic on which an event travels: its own name unless the contract says otherwise."""
    return str(getattr(event, "CARRIER", event.TOPIC))


def headers_for(
    *, event_id: UUID, event_type: str, subject: str, time: datetime, traceparent: str | None
) -> list[tuple[str, bytes]]:
    """The headers of a message.

    Args:
        event_id: unique together with the source; the same for a repeated message.
        event_type: `<service>.<event>.v<major>`; the source is the service named in it.
        subject: the key.
        time: when the fact came to be.
        traceparent: W3C trace context of what caused it.
    """
    service = event_type.split(".", 1)[0]
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event_id).encode()),
        ("ce_source", f"/sutki/{service}".encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", time.isoformat().encode()),
        ("ce_subject", subject.encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


def read_headers(headers: object) -> Mapping[str, str]:
    """Headers by name; what is no text is replaced, since a header must never stop a consumer."""
    if not isinstance(headers, tuple | list):
        return {}
    return {name: value.decode(errors="replace") for name, value in headers if isinstance(value, bytes)}
