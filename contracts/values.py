"""Values that several events share."""

from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.base import Instant, Model, ResultId, Revision, SubjectId, Title

DISCLOSURE_TERM = timedelta(hours=24)
"""A result is available to the family no later than this after it was obtained (clause 6 of the regulation)."""

GradeValue = Literal["1", "2", "3", "4", "5", "зач", "незач", "н/а", "осв"]
"""A final grade: the scale, passed, failed, not assessed, exempt."""

MarkValue = Literal["1", "2", "3", "4", "5", "зач", "незач"]
"""A current mark. Absence codes are attendance and are no marks."""


class PeriodKind(StrEnum):
    """Reporting periods, and the two grades that come after the year."""

    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"
    EXAM = "exam"
    FINAL = "final"


class WorkType(StrEnum):
    """What a mark was given for."""

    ANSWER = "answer"
    HOMEWORK = "homework"
    SELF_STUDY = "self_study"
    CONTROL_WORK = "control_work"
    LAB = "lab"
    PROJECT = "project"


class LessonType(StrEnum):
    """What a lesson is for; the curriculum plan counts hours by it."""

    NEW_MATERIAL = "new_material"
    PRACTICE = "practice"
    CONTROL_WORK = "control_work"
    LABORATORY = "laboratory"
    PRACTICAL = "practical"
    REVISION = "revision"
    TEST = "test"
    EXCURSION = "excursion"
    OTHER = "other"


class AttendanceCode(StrEnum):
    """Why a student was not, or not from the start, at a lesson. Never a mark and never averaged."""

    ABSENT = "absent"
    """н"""
    ILL = "ill"
    """б"""
    VALID_REASON = "valid_reason"
    """у"""
    LATE = "late"
    """оп"""


class Route(StrEnum):
    """How a result reaches its recipient."""

    SCREEN = "screen"
    PAPER = "paper"
    WITH_REPRESENTATIVE = "with_representative"
    """A student who has no account of their own is served together with a representative."""


class Decision(StrEnum):
    """What a representative decided about one purpose. No answer counts as no consent."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    UNANSWERED = "unanswered"


class Language(StrEnum):
    """The language in which a person reads."""

    RU = "ru"
    EN = "en"


class Subject(Model):
    """A school subject as it is printed."""

    id: SubjectId
    title: Title


class Attachment(Model):
    """A link to a file or page that belongs to a text."""

    title: Title
    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=2000)


class Period(Model):
    """A reporting period of a school year."""

    kind: PeriodKind
    number: int = Field(ge=1, le=4)
    """1–4 for quarters, 1–2 for half-years, 1 otherwise."""
    school_year: str = Field(pattern=r"^\d{4}/\d{4}$")
    starts_on: date
    ends_on: date


class ResultVersion(Model):
    """One value of one result. A correction makes a new version whose own 24 hours run."""

    result_id: ResultId
    value_revision: Revision


def due_at(obtained_at: Instant) -> Instant:
    """The instant at which a result must be available at the latest."""
    return obtained_at + DISCLOSURE_TERM
