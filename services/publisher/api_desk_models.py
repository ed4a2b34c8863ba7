"""What the desks' HTTP API takes and tells."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.publisher.api import ObligationView

MailAddress = Annotated[
    str, Field(max_length=320, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}$")
]
State = Literal["open", "available", "superseded", "cancelled"]
StepName = Literal["school", "head", "district", "overdue"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class CellView(_Answer):
    """What is open by one route with so much time left."""

    route: str
    time_left: Literal["overdue", "within_1_hour", "within_4_hours", "within_12_hours", "later"]
    obligations: int
    first_due_at: datetime


class PaperPaceView(_Answer):
    """Paper of a school: what waits, and when it will be done at the pace of the last two hours."""

    school_id: UUID
    waiting: int
    met_lately: int
    """Within the last two hours."""
    done_at: datetime | None
    """At that pace; absent where nothing was printed lately."""


class DueOnView(_Answer):
    """What became of what is due today, as it was counted for the public figure up to a minute ago."""

    in_time: int
    late_by_us: int
    late_at_source: int
    unmet_by_us: int
    unmet_at_source: int
    still_open: int


class DeadlinesView(_Answer):
    """The deadline board of a school or of the district."""

    as_of: datetime
    school_id: UUID | None
    """Absent on the district's board."""
    open: list[CellView]
    oldest: ObligationView | None
    """The most urgent one that is open."""
    paper: list[PaperPaceView]
    due_today: DueOnView


class EscalationView(_Answer):
    """One message of the escalation ladder."""

    escalation_id: UUID
    school_id: UUID
    step: StepName
    round: int
    raised_at: datetime
    obligations: int
    late_at_source: int
    held: int
    """Held for the council; the clock releases them when they are due."""
    first_due_at: datetime
    printer: str | None


class EscalationPage(_Answer):
    """Messages, the latest first."""

    items: list[EscalationView]
    next_cursor: str | None


class EscalatedView(_Answer):
    """One obligation of a message: whose, where it waits, since when and until when."""

    obligation_id: UUID
    result_id: UUID
    value_revision: int
    student_id: UUID
    recipient_id: UUID
    route: str
    waits: Literal["print_queue", "not_asked", "screen", "with_representative"]
    request_id: UUID | None
    waiting_since: datetime
    due_at: datetime
    held: bool
    late_at_source: bool


class DeliveryView(_Answer):
    """What became of the mail to a role."""

    role: str
    state: str
    reason: str | None
    attempts: int
    settled_at: datetime | None


class EscalationDetail(EscalationView):
    """A message with a page of what it lists, the most urgent first."""

    mails: list[DeliveryView]
    items: list[EscalatedView]
    next_cursor: str | None


class AddressView(_Answer):
    """Where the staff of a role is reached."""

    address_id: UUID
    school_id: UUID | None
    role: str
    address: str


class NewAddress(BaseModel):
    """An address of a role at a school."""

    role: Literal["class_teacher", "secretary", "head"]
    address: MailAddress


class NewDistrictAddress(BaseModel):
    """An address of the district's duty."""

    address: MailAddress


class TermsBody(BaseModel):
    """What a school does otherwise than the district; what is absent is as in the district."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    school_hours: float | None = Field(default=None, gt=0, lt=24)
    """How long before the deadline class teachers and the secretary are told."""
    head_hours: float | None = Field(default=None, gt=0, lt=24)
    district_hours: float | None = Field(default=None, gt=0, lt=24)
    printer: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    """Where the school's sheets come out, in the words of its staff."""


class ForecastBody(BaseModel):
    """Results that are about to be set."""

    student_ids: list[UUID] = Field(min_length=1, max_length=5000)
    obtained_at: AwareDatetime | None = None
    """Now when absent."""


class ForecastView(_Answer):
    """How many families will wait for paper, and until when."""

    obtained_at: datetime
    due_at: datetime
    due_at_local: str
    """In the school's time zone, with the day of the week (ISO: 1 is Monday)."""
    on_closed_day: bool
    """Whether the deadline lies on a day on which the school is closed. The 24 hours run all the same."""
    students: int
    unknown_students: int
    """Of whom the publisher knows nothing yet, or who are another school's."""
    families_on_paper: int
    """Students of whom at least one recipient gets paper."""
    sheets: int
    families_on_screen: int
    printer: str
    said: str
    """In a sentence, Russian first."""
