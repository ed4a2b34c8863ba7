"""What the HTTP API takes, and how it becomes a request of the domain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from chassis.problems import Fault as Pointer
from contracts.base import Instant, PersonId, StudentId
from contracts.values import Decision, Language
from services.consent.document import ConsentDocument, Reference
from services.consent.faults import Fault
from services.consent.model import Answer, Answers, Consent, Purpose, Scan, Withdrawal
from services.consent.reading import YEARS


def _within_reason(instant: datetime) -> datetime:
    """Instants at the edge of the calendar have no equal in other time zones, nor in the database."""
    if instant.year not in YEARS:
        raise ValueError("the year is out of the range of this registry")
    return instant


Moment = Annotated[Instant, AfterValidator(_within_reason)]
Number = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Body(BaseModel):
    """A JSON object that is sent to the API; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class DecisionsIn(Body):
    """The answer for each purpose; one that is left out keeps its former answer."""

    cabinet: Literal["given", "refused", "unanswered"] = "unanswered"
    email: Literal["given", "refused", "unanswered"] = "unanswered"
    push: Literal["given", "refused", "unanswered"] = "unanswered"


class ContactIn(Body):
    """Where the person wants to be told."""

    email: Annotated[str, Field(max_length=320)] | None = None
    language: Language = Language.RU


class DocumentIn(ConsentDocument):
    """The document: what a written consent must contain, and how it was given."""

    kind: Literal["paper", "electronic"] = "paper"


class DecisionIn(Body):
    """A consent or a refusal of one representative for one student (from 18, of the student themself)."""

    representative_id: UUID
    student_id: UUID
    decisions: DecisionsIn
    no_internet: bool = False
    contact: ContactIn = ContactIn()
    document: DocumentIn
    student_agreed: bool | None = None
    """Whether the student of 14–17 agrees too."""
    decided_at: Moment | None = None
    """When it was decided; the moment of registration if left out."""
    effective_from: Moment | None = None

    def answer(self) -> Answer:
        """The request of the domain."""
        said = self.decisions
        return Answer(
            representative_id=PersonId(self.representative_id),
            student_id=StudentId(self.student_id),
            answers=Answers(Decision(said.cabinet), Decision(said.email), Decision(said.push)),
            document_kind=self.document.kind,
            document=ConsentDocument.model_validate(self.document.model_dump(exclude={"kind"})),
            no_internet=self.no_internet,
            email_address=self.contact.email,
            language=self.contact.language,
            student_agreed=self.student_agreed,
            decided_at=self.decided_at,
            effective_from=self.effective_from,
        )


class WithdrawalIn(Body):
    """Consent taken back."""

    purposes: list[Purpose] = Field(default_factory=list, max_length=3)
    """Which; none named means all that were given."""
    document: Literal["paper", "electronic"] = "paper"
    document_number: Number = ""
    scan_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the scan of the paper, in hexadecimal."""
    scan_reference: Reference = ""
    """Where the scan is kept; named together with the hash or not at all."""
    decided_at: Moment | None = None
    effective_from: Moment | None = None

    @model_validator(mode="after")
    def _whole_scan(self) -> Self:
        if bool(self.scan_sha256) != bool(self.scan_reference):
            raise ValueError("a scan is named in full: its SHA-256 and where it is kept")
        return self

    def withdrawal(self, consent: Consent) -> Withdrawal:
        """The request of the domain."""
        return Withdrawal(
            representative_id=consent.representative_id,
            student_id=consent.student_id,
            purposes=frozenset(self.purposes),
            document_kind=self.document,
            document_number=self.document_number,
            scan=Scan(self.scan_sha256, self.scan_reference) if self.scan_sha256 else None,
            decided_at=self.decided_at,
            effective_from=self.effective_from,
        )


def pointers(faults: Sequence[Fault], within: str = "") -> list[Pointer]:
    """The faults with JSON pointers into the body (RFC 6901)."""
    return [
        Pointer(within + "".join(f"/{part}" for part in fault.field.split(".")), fault.code, fault.text())
        for fault in faults
    ]
