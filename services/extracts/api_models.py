"""What the HTTP API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.extracts.domain import ExtractState, Lack
from services.extracts.facts import Way
from services.extracts.handlers import Refusal

Desk = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Label of a desk or printer, for the register; never a person's name."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class QueuedSheet(_Body):
    """A sheet that waits for the printer."""

    id: UUID
    number: str
    student_id: UUID
    student: str
    class_name: str
    recipient_id: UUID
    recipient: str
    due_at: datetime
    taken_until: datetime | None
    """Another print run has it until then."""


class PrintQueue(_Body):
    """What waits for the school's printer, the most urgent first."""

    sheets: list[QueuedSheet]


class ExtractView(_Body):
    """One extract."""

    id: UUID
    request_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    state: ExtractState
    number: str | None
    due_at: datetime
    content_sha256: str | None
    printed_at: datetime | None
    handed_over_at: datetime | None
    way: Way | None
    waits_for: list[Lack]
    """Why it is not rendered yet: data that are not known, or a rendering that failed and is tried again."""


class NewPrintRun(_Body):
    """Which part of the queue to take."""

    due_within_hours: float | None = Field(default=None, ge=0, le=8760)
    """Only what is due until then; all when absent."""
    limit: int | None = Field(default=None, ge=1, le=2000)


class PrintRunView(_Body):
    """Sheets taken for one print job. Print `pdf`, then post the ids to `/v1/extracts/printed`."""

    id: UUID
    extract_ids: list[UUID]
    taken_until: datetime
    pdf: str


class Ids(_Body):
    """Which extracts."""

    ids: list[UUID] = Field(min_length=1, max_length=2000)
    desk: Desk = ""


class RefusedExtract(_Body):
    """An extract to which nothing was done."""

    id: UUID
    reason: Refusal


class OutcomeView(_Body):
    """What became of each extract."""

    done: list[UUID]
    already: list[UUID]
    refused: list[RefusedExtract]


class HandOver(_Body):
    """How and when a sheet left the school."""

    way: Way
    at: AwareDatetime | None = None
    """Now when absent."""
    desk: Desk = ""


class RegisterEntry(_Body):
    """One line of the hand-over register."""

    model_config = ConfigDict(from_attributes=True)

    entry_id: int
    number: str
    extract_id: UUID
    kind: Literal["numbered", "printed", "jammed", "handed_over", "annulled"]
    at: datetime
    way: Way | None
    made_by: str
    content_sha256: str | None


class Register(_Body):
    """A part of a school's hand-over register, in the order of entry."""

    entries: list[RegisterEntry]
    next_after: int | None
    """Give it as `after` to read on; absent at the end."""
