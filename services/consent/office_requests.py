"""What the office's part of the API takes and answers."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.consent.authority import Authority, AuthorityDocument, Ended, Kind
from services.consent.list_queries import List, ListedPair
from services.consent.requests import Body, Moment, Number

Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class PairIn(Body):
    """A representative and a student; from 18 the student twice."""

    representative_id: UUID
    student_id: UUID


class AuthorityIn(PairIn):
    """A document that proves an authority. The same again changes nothing; another one renews, or restores."""

    kind: Kind
    document: Words
    """Such as «свидетельство о рождении» or «акт об опеке»."""
    document_number: Words
    issued_on: date | None = None
    valid_until: date | None = None
    """The last day; without one it holds until it is ended."""

    def proof(self) -> AuthorityDocument:
        """The document of the domain."""
        return AuthorityDocument(self.kind, self.document, self.document_number, self.issued_on, self.valid_until)


class AuthorityEndIn(PairIn):
    """The end of an authority. It holds at once."""

    reason: Literal["court", "revoked", "other"]
    kind: Kind = "other"
    document: Words
    """By which it ended, such as a court's decision."""
    document_number: Words
    issued_on: date | None = None

    def proof(self) -> AuthorityDocument:
        """The document of the domain."""
        return AuthorityDocument(self.kind, self.document, self.document_number, self.issued_on)

    def why(self) -> Ended:
        """The reason of the domain."""
        return Ended(self.reason)


class AuthorityOut(BaseModel):
    """An authority after the request."""

    status: Literal["registered", "unchanged"]
    state: Literal["in_force", "ended"] | None = None
    """Absent where nothing changed."""
    valid_until: date | None = None

    @classmethod
    def of(cls, authority: Authority | None) -> "AuthorityOut":
        """What is told of it."""
        if authority is None:
            return cls(status="unchanged")
        return cls(status="registered", state=authority.state, valid_until=authority.proof.valid_until)


class AgreementIn(Body):
    """The own agreement of a student of 14–17, given or taken back."""

    student_id: UUID
    agreed: bool
    document_number: Number = ""
    decided_at: Moment | None = None


class AgreementOut(BaseModel):
    """What became of it."""

    status: Literal["registered", "unchanged"]


class SearchIn(Body):
    """Whom to look for. In the body and not in the address, because addresses are logged."""

    query: Annotated[str, Field(min_length=1, max_length=200)]
    """Beginnings of names and of the class, such as `при ан 7а`."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: Annotated[str, Field(max_length=80)] = ""
    """`next` of the page before."""


class Found(BaseModel):
    """A student, or a representative together with a student."""

    person_id: UUID
    role: Literal["student", "representative"]
    family: str
    given: str
    patronymic: str
    student_id: UUID
    class_id: UUID | None
    class_name: str


class People(BaseModel):
    """A page of those who were found."""

    people: list[Found]
    next: str | None = None


class Listed(BaseModel):
    """A pair and how it stands."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    representative_id: UUID
    student_id: UUID
    class_id: UUID | None
    class_name: str
    student_name: str
    representative_name: str
    kind: str
    """parent, guardian, other; `student` for one of age who decides alone."""
    authority: str
    """in_force or ended."""
    valid_until: date | None
    consent_id: UUID | None
    cabinet: str
    email: str
    push: str
    no_internet: bool
    decided_at: datetime | None
    renewal_needed: bool
    """The student came from another school: consent to this one is to be asked anew."""
    agreement: str | None
    """Of a student of 14–17: due, missing, given, taken_back; absent where it was never asked."""
    agreement_since: datetime | None


class Page(BaseModel):
    """A page of a list, ordered by class and name within itself; `next` continues."""

    kind: List
    pairs: list[Listed]
    next: str | None = None


def listed(pairs: list[ListedPair]) -> list[Listed]:
    """The pairs as they are answered."""
    return [Listed.model_validate(pair) for pair in pairs]
