"""A representative gave, refused or withdrew consent for a student."""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ConsentId, Fact, Instant, Model, PersonId, SchoolId, StudentId, example_id
from contracts.values import Decision, Language


class Decisions(Model):
    """What was decided for each purpose. Without the cabinet there is no electronic form at all."""

    cabinet: Decision
    email: Decision
    push: Decision


class Contact(Model):
    """Where the representative wants to be told. Erased (absent) once no electronic purpose is consented."""

    email: str | None = Field(default=None, max_length=320)
    language: Language = Language.RU


class ConsentChanged(Fact):
    """The whole state of the consent of one representative for one student (from 18, the student themself)."""

    TOPIC: ClassVar[str] = "consent.consent-changed.v1"

    consent_id: ConsentId
    representative_id: PersonId
    student_id: StudentId
    school_id: SchoolId
    decisions: Decisions
    no_internet: bool = False
    """Stated by the representative: paper is the route even where consent is given."""
    document: Literal["paper", "electronic"]
    contact: Contact | None = None
    decided_at: Instant
    effective_from: Instant
    """The decisions hold from this instant; never in the future of `decided_at` for a withdrawal."""
    authority: Literal["in_force", "ended"] = "in_force"
    """`ended`: the registry ended the authority by document or term, whatever the journal says of it."""

    def aggregate(self) -> UUID:
        """The consent of the pair."""
        return self.consent_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When it was registered."""
        return self.decided_at


EXAMPLE = ConsentChanged(
    revision=1,
    consent_id=ConsentId(example_id("consent")),
    representative_id=PersonId(example_id("representative")),
    student_id=StudentId(example_id("student")),
    school_id=SchoolId(example_id("school")),
    decisions=Decisions(cabinet=Decision.GIVEN, email=Decision.GIVEN, push=Decision.UNANSWERED),
    document="paper",
    contact=Contact(email="representative@example.org"),
    decided_at=datetime(2026, 9, 2, 8, 0, tzinfo=UTC),
    effective_from=datetime(2026, 9, 2, 8, 0, tzinfo=UTC),
)
