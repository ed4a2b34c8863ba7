"""What clients send: results and line items, as far as the journal keeps them. Other properties are not looked at."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from services.gradebook.records import ExternalId
from services.gradebook.records.base import Day, Line

MAX_RESULTS = 1000


def _day_of(value: object) -> object:
    """A day; of an instant, which some send, the day that it shows."""
    return value[:10] if isinstance(value, str) and "T" in value else value


SentDay = Annotated[Day, BeforeValidator(_day_of)]
Score = Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=3)]
LongText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(max_length=50)]


class _Sent(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


class SentRef(_Sent):
    """A reference; the id is enough."""

    sourced_id: ExternalId


class ResultMetadata(_Sent):
    """What OneRoster has no property for."""

    value: Text | None = None
    """The value of the scale, where neither score nor textScore says it."""
    obtained_at: Text | None = None
    """When the result came to be: an instant. Without it, the first moment of scoreDate at the school."""
    held: bool | None = None
    """Waits for the pedagogical council. Absent: as before; for a new grade as the school's settings say."""


class SentResult(_Sent):
    """A mark, a final grade or an exam result: which, the line item's category says."""

    sourced_id: ExternalId | None = None
    status: Literal["active", "tobedeleted"] = "active"
    line_item: SentRef | None = None
    student: SentRef
    score_status: Literal["exempt", "fully graded", "not submitted", "partially graded", "submitted", "late"] | None = (
        None
    )
    score: Score | None = None
    text_score: Text | None = None
    score_date: SentDay
    comment: LongText = ""
    metadata: ResultMetadata = ResultMetadata()


class PutResult(_Sent):
    """One result."""

    result: SentResult


class PostResults(_Sent):
    """Results of one line item: all are taken or none."""

    results: list[SentResult] = Field(min_length=1, max_length=MAX_RESULTS)


class LineItemMetadata(_Sent):
    """What OneRoster has no property for."""

    subject_sourced_id: ExternalId | None = None
    """The subject, where the class has none of its own."""
    weight: Annotated[Decimal, Field(gt=0, le=10, decimal_places=2)] = Decimal("1.00")


class SentLineItem(_Sent):
    """A column of the gradebook."""

    status: Literal["active", "tobedeleted"] = "active"
    title: Line
    description: LongText = ""
    assign_date: SentDay
    due_date: SentDay
    """Of marks: the day of the lesson."""
    class_: SentRef = Field(alias="class")
    category: SentRef
    grading_period: SentRef | None = None
    academic_session: SentRef | None = None
    """Another name of gradingPeriod; a final grade needs one of them."""
    result_value_max: Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=3)] | None = None
    metadata: LineItemMetadata = LineItemMetadata()

    def period_id(self) -> str | None:
        """The journal's id of the period."""
        period = self.grading_period or self.academic_session
        return None if period is None else period.sourced_id


class PutLineItem(_Sent):
    """One column."""

    line_item: SentLineItem


class SourcedIdPair(_Sent):
    """The id that was sent and the one that it has now: the same; an own one where none was sent."""

    supplied_sourced_id: str
    allocated_sourced_id: str


class SourcedIdPairs(_Sent):
    """The ids of new results, in their order."""

    sourced_id_pairs: list[SourcedIdPair]


def told(pairs: list[SourcedIdPair]) -> dict[str, Any]:
    """The answer."""
    return SourcedIdPairs(sourced_id_pairs=pairs).model_dump(by_alias=True)
