"""The journal in OneRoster 1.2's words: what stands for what, and the objects as its REST binding spells them. Pure.

| journal | OneRoster |
|---|---|
| school; the district itself | org of type `school`; org of type `district` |
| year, half-year, quarter, exam and final grade | academicSession `schoolYear`, `semester`, `gradingPeriod`, `ext:…` |
| subject | course |
| class; study group, stream, individual plan | class of type `homeroom`; `scheduled` (`metadata.kind`) |
| student, teacher, representative | user with the roles `student`, `teacher`, `parent`, `guardian`, `relative` |
| membership; teaching | enrollment as `student`; as `teacher` |
| work type, `final_grade`, kind of an exam | category |
| marks of one class, subject, day, work type and weight | lineItem (and one for each final grade's period, each exam) |
| mark, final grade, exam result | result |
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from contracts.values import WorkType

DISTRICT_ORG = "district"
"""With a dot and the source: the org of what belongs to no school."""
NO_SUBJECT = "journal"
"""With a dot and the source: the course of a class as such: OneRoster wants one, and a class learns no one subject."""
FINAL_GRADE = "final_grade"
EXAM_KINDS = ("oge", "ege", "school_exam", "competition")
CATEGORIES: dict[str, str] = {
    WorkType.ANSWER: "Ответ на уроке",
    WorkType.HOMEWORK: "Домашняя работа",
    WorkType.SELF_STUDY: "Самостоятельная работа",
    WorkType.CONTROL_WORK: "Контрольная работа",
    WorkType.LAB: "Лабораторная работа",
    WorkType.PROJECT: "Проект",
    FINAL_GRADE: "Итоговая отметка",
    "oge": "ОГЭ",
    "ege": "ЕГЭ",
    "school_exam": "Школьный экзамен",
    "competition": "Олимпиада или конкурс",
}
"""The categories by their ids, which are their titles too, since the import goes by titles. The text is for people."""
SCALES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "sutki.marks": (
        "Текущие отметки",
        (
            ("1", "единица"),
            ("2", "неудовлетворительно"),
            ("3", "удовлетворительно"),
            ("4", "хорошо"),
            ("5", "отлично"),
            ("зач", "зачтено"),
            ("незач", "не зачтено"),
        ),
    ),
    "sutki.final-grades": (
        "Итоговые отметки",
        (
            ("1", "единица"),
            ("2", "неудовлетворительно"),
            ("3", "удовлетворительно"),
            ("4", "хорошо"),
            ("5", "отлично"),
            ("зач", "зачтено"),
            ("незач", "не зачтено"),
            ("н/а", "не аттестован"),
            ("осв", "освобождён"),
        ),
    ),
}
"""The scales by their ids: title, and what each value means."""

Status = Literal["active", "tobedeleted"]


def instant(moment: datetime) -> str:
    """An instant as the binding spells it; finer than milliseconds where need be, so that a delta repeats nothing."""
    utc = moment.astimezone(UTC)
    spec = "milliseconds" if utc.microsecond % 1000 == 0 else "microseconds"
    return utc.isoformat(timespec=spec).replace("+00:00", "Z")


class DerivedItem(NamedTuple):
    """A line item that follows from results: they share all of this."""

    category: str
    class_id: UUID | None
    subject_id: UUID
    due_on: date | None = None
    """Of marks: the day of the lesson."""
    weight: Decimal = Decimal("1.00")
    period_id: UUID | None = None
    """Of final grades."""
    digest: str = ""
    """Of exams: `exam_digest` of title and maximum."""

    def sourced_id(self) -> str:
        """The id, which says all that is needed to find the results again."""
        place = f"{self.class_id or '-'}.{self.subject_id}"
        if self.category == FINAL_GRADE:
            return f"f.{place}.{self.period_id}"
        if self.category in EXAM_KINDS:
            return f"e.{place}.{self.category}.{self.digest}"
        return f"m.{place}.{self.due_on}.{self.category}.{self.weight:.2f}"


def parse_item_id(sourced_id: str) -> DerivedItem | None:
    """What an id of a derived line item stands for; None: it is no such id."""
    kind, *parts = sourced_id.split(".", 5)
    try:
        class_id = None if parts[0] == "-" else UUID(parts[0])
        match kind, parts[1:]:
            case "f", [subject, period]:
                return DerivedItem(FINAL_GRADE, class_id, UUID(subject), period_id=UUID(period))
            case "e", [subject, category, digest] if category in EXAM_KINDS:
                return DerivedItem(category, class_id, UUID(subject), digest=digest)
            case "m", [subject, day, category, weight] if category in WorkType.__members__.values():
                return DerivedItem(category, class_id, UUID(subject), date.fromisoformat(day), Decimal(weight))
    except (ValueError, IndexError, ArithmeticError):
        return None
    return None


def exam_digest(title: str, max_score: Decimal | None) -> str:
    """Tells the exams of one kind and subject apart; the query that reads results computes the same."""
    scale = "" if max_score is None else f"{max_score.normalize():f}"
    return sha256(f"{title}\x1f{scale}".encode()).hexdigest()[:16]


def _nothing_required(schema: dict[str, Any]) -> None:
    """A client that names the fields it wants gets no others."""
    schema.pop("required", None)


class _Object(BaseModel):
    """An object of the binding: camelCase outside, nothing beyond what it says."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra=_nothing_required,
    )


class Ref(_Object):
    """A reference to another object."""

    href: str
    sourced_id: str
    type: str


class _Base(_Object):
    sourced_id: str
    """The journal's own id within the client's source."""
    status: Status
    """`tobedeleted`: withdrawn, closed or left; the history stays."""
    date_last_modified: str
    """An instant in UTC."""
    metadata: dict[str, Any] | None = None


class Org(_Base):
    """A school, or the district."""

    name: str
    type: Literal["school", "district"]
    parent: Ref | None = None


class AcademicSession(_Base):
    """A reporting period of one school."""

    title: str
    start_date: date
    end_date: date
    type: str
    """`schoolYear`, `semester`, `gradingPeriod`; `ext:exam` and `ext:final` for the grades that follow the year."""
    school_year: str
    """The year in which the school year ends."""
    parent: Ref | None = None
    children: list[Ref] | None = None


class Course(_Base):
    """A school subject."""

    title: str
    org: Ref


class Class(_Base):
    """A class, study group, study stream or individual plan."""

    title: str
    class_type: Literal["homeroom", "scheduled"]
    grades: list[str]
    subjects: list[str]
    course: Ref
    school: Ref
    terms: list[Ref]
    """The periods of the school's newest year that go with the grade level."""


class Role(_Object):
    """What a person is at a school."""

    role_type: Literal["primary", "secondary"]
    role: Literal["student", "teacher", "parent", "guardian", "relative"]
    org: Ref


class User(_Base):
    """A person, as the schools that the client sees state them."""

    enabled_user: Literal["true", "false"]
    given_name: str
    family_name: str
    middle_name: str | None = None
    roles: list[Role]
    primary_org: Ref | None = None
    agents: list[Ref] | None = None
    """Of a student: the representatives in force. Of a representative: the students."""
    grades: list[str] | None = None


class Demographics(_Base):
    """Of a person only the birth date is kept."""

    birth_date: date


class Enrollment(_Base):
    """A student in a group, or a teacher who teaches it."""

    user: Ref
    class_: Ref = Field(alias="class")
    school: Ref
    role: Literal["student", "teacher"]
    primary: Literal["true", "false"]
    """For a teacher: the class teacher."""
    begin_date: date | None = None
    end_date: date | None = None


class Category(_Base):
    """What results are given for; the id is the title too."""

    title: str


class ScaleValue(_Object):
    """A value of a scale and what it means."""

    item_value_lhs: str = Field(alias="itemValueLHS")
    item_value_rhs: str = Field(alias="itemValueRHS")


class ScoreScale(_Base):
    """The values that a result may have."""

    title: str
    type: str
    score_scale_value: list[ScaleValue]


class LineItem(_Base):
    """A column of the gradebook."""

    title: str
    description: str | None = None
    assign_date: date
    due_date: date
    class_: Ref | None = Field(default=None, alias="class")
    """Absent for results of students who are in no class."""
    school: Ref
    category: Ref
    grading_period: Ref | None = None
    """For final grades."""
    score_scale: Ref
    result_value_max: float | None = None


class ResultObject(_Base):
    """A mark, a final grade or an exam result."""

    line_item: Ref
    student: Ref
    class_: Ref | None = Field(default=None, alias="class")
    score_scale: Ref
    score_status: Literal["exempt", "fully graded", "not submitted"]
    score: float | None = None
    text_score: str | None = None
    """The value of the scale: 1–5, зач, незач, н/а, осв."""
    score_date: date
    comment: str | None = None
