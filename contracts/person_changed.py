"""A person of the school became known, changed, or was erased (tombstone)."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.base import Fact, GroupId, Instant, Model, PersonId, SchoolId, Title, example_id
from contracts.synthetic import is_synthetic


class Role(StrEnum):
    """What a person is to a school."""

    STUDENT = "student"
    REPRESENTATIVE = "representative"
    TEACHER = "teacher"


class PersonName(Model):
    """A name in its three parts."""

    family: Title
    given: Title
    patronymic: str = Field(default="", max_length=500)


class Representation(Model):
    """Who represents a student, and whether the authority is in force."""

    representative_id: PersonId
    kind: Literal["parent", "guardian", "other"]
    in_force: bool


class Enrolment(Model):
    """Where a student studies, or studied last, and who represents them."""

    school_id: SchoolId
    class_id: GroupId | None
    class_name: str = Field(max_length=50)
    """As it is printed, such as «7А»; empty when not yet known."""
    grade_level: int | None = Field(ge=1, le=11)
    """Empty while the student is in no class."""
    representatives: list[Representation]


class PersonChanged(Fact):
    """The whole state of one person. The only event with names; its topic is compacted, a tombstone erases."""

    TOPIC: ClassVar[str] = "gradebook.person-changed.v1"
    COMPACTED: ClassVar[bool] = True

    person_id: PersonId
    roles: list[Role]
    school_ids: list[SchoolId]
    name: PersonName
    birth_date: date | None = None
    enrolment: Enrolment | None = None
    """Present for whoever is or ever was a student."""
    changed_at: Instant
    synthetic: bool = False
    """No person, but part of a canary; so its id says, too. Whoever counts or lists people leaves it out."""

    @model_validator(mode="after")
    def _id_says_the_same(self) -> Self:
        if self.synthetic != is_synthetic(self.person_id):
            raise ValueError("what is synthetic has a synthetic id, and nothing else has")
        return self

    def aggregate(self) -> UUID:
        """The person."""
        return self.person_id

    def key(self) -> UUID:
        """The person: the topic keeps the last state of each."""
        return self.person_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


class PersonErased(Fact):
    """The tombstone of a person: a message of the same topic and key without a value. Compaction forgets what was."""

    TOPIC: ClassVar[str] = PersonChanged.TOPIC

    person_id: PersonId
    erased_at: Instant

    def aggregate(self) -> UUID:
        """The person: the erasure takes the next revision, so that the person may come back with a higher one."""
        return self.person_id

    def key(self) -> UUID:
        """The person."""
        return self.person_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal erased the person."""
        return self.erased_at

    def to_value(self) -> None:
        """Nothing: that is what erases."""
        return


EXAMPLE = PersonChanged(
    revision=1,
    person_id=PersonId(example_id("student")),
    roles=[Role.STUDENT],
    school_ids=[SchoolId(example_id("school"))],
    name=PersonName(family="Примерова", given="Анна", patronymic="Образцовна"),
    birth_date=date(2013, 2, 3),
    enrolment=Enrolment(
        school_id=SchoolId(example_id("school")),
        class_id=GroupId(example_id("class")),
        class_name="7А",
        grade_level=7,
        representatives=[
            Representation(representative_id=PersonId(example_id("representative")), kind="parent", in_force=True),
        ],
    ),
    changed_at=datetime(2026, 9, 1, 5, 0, tzinfo=UTC),
)
