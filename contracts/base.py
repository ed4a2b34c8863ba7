"""What every event has: a topic, a key, an aggregate, a revision and an id that follows from them."""

from typing import Annotated, Any, ClassVar, NewType, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EVENT_NAMESPACE = UUID("6d0b6a53-5f6b-5d0e-9a55-7a0c24242424")
"""Namespace of every event id (UUIDv5), so that a replay from the owner's tables gives the same ids."""

SchoolId = NewType("SchoolId", UUID)
PersonId = NewType("PersonId", UUID)
StudentId = NewType("StudentId", UUID)
GroupId = NewType("GroupId", UUID)
SubjectId = NewType("SubjectId", UUID)
ResultId = NewType("ResultId", UUID)
MarkId = NewType("MarkId", UUID)
ConsentId = NewType("ConsentId", UUID)
ObligationId = NewType("ObligationId", UUID)
RequestId = NewType("RequestId", UUID)
ExtractId = NewType("ExtractId", UUID)
LessonId = NewType("LessonId", UUID)
SlotId = NewType("SlotId", UUID)
SubstitutionId = NewType("SubstitutionId", UUID)
ControlWorkId = NewType("ControlWorkId", UUID)
HomeworkId = NewType("HomeworkId", UUID)
RecommendationId = NewType("RecommendationId", UUID)
AttendanceId = NewType("AttendanceId", UUID)
ErasureId = NewType("ErasureId", UUID)
EventId = NewType("EventId", UUID)

Revision = Annotated[int, Field(ge=1, description="Grows by one with every change of the aggregate, from 1.")]
Instant = Annotated[AwareDatetime, Field(description="An instant with its offset; UTC on the wire.")]
Title = Annotated[str, Field(min_length=1, max_length=500)]
Text = Annotated[str, Field(min_length=1, max_length=5000)]
LocalTime = Annotated[
    str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="A time of day in the school's time zone.")
]
ReasonCode = Annotated[
    str, Field(pattern=r"^[a-z][a-z_]{0,49}$", description="A code, so that each reader words it; may be a new one.")
]


class Model(BaseModel):
    """A part of an event. Unknown fields are an error when we write, and are ignored when we read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Event(Model):
    """A message on a topic. Subclasses set `TOPIC`, `EXAMPLE` and say which aggregate they tell about."""

    TOPIC: ClassVar[str]
    COMPACTED: ClassVar[bool] = False

    def aggregate(self) -> UUID:
        """The id of the aggregate whose whole state this event carries."""
        raise NotImplementedError

    def key(self) -> UUID:
        """The Kafka key: the student where there is one, so that everything about one student is in order."""
        raise NotImplementedError

    def occurred_at(self) -> AwareDatetime:
        """When the fact came to be (`ce_time`)."""
        raise NotImplementedError

    def event_id(self) -> EventId:
        """The id of the event (`ce_id`): always the same for the same state of the same aggregate."""
        raise NotImplementedError

    def to_json(self) -> bytes:
        """The message's value: compact UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, value: bytes | str) -> Self:
        """Reads a message's value; fields that a newer version added are ignored.

        Raises:
            pydantic.ValidationError: the value does not fit the contract.
        """
        return cls.model_validate_json(value, extra="ignore")


class Fact(Event):
    """An event about an aggregate that has revisions: a consumer applies only a higher one."""

    revision: Revision

    def event_id(self) -> EventId:
        """UUIDv5 of topic, aggregate and revision."""
        return EventId(uuid5(EVENT_NAMESPACE, f"{self.TOPIC}/{self.aggregate()}/{self.revision}"))


def example_id(name: str) -> UUID:
    """A stable id for the examples that stand beside each contract."""
    return uuid5(EVENT_NAMESPACE, f"example/{name}")


def wire(value: Event) -> dict[str, Any]:
    """The event as the JSON object that travels."""
    return value.model_dump(mode="json")
