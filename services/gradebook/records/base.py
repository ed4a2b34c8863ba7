"""What all records have in common: the kinds there are, how values are read, and what identifies a record."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from services.gradebook.rejections import Code

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1900, 2200)


class RecordKind(StrEnum):
    """The kinds of record, in the order in which they depend on each other."""

    SCHOOLS = "schools"
    CAMPUSES = "campuses"
    SUBJECTS = "subjects"
    SCHOOL_YEARS = "school_years"
    PERIODS = "periods"
    HOLIDAYS = "holidays"
    PEOPLE = "people"
    GROUPS = "groups"
    MEMBERS = "members"
    REPRESENTATIVES = "representatives"
    TEACHING = "teaching"
    CURRICULUM = "curriculum"
    TIMETABLE = "timetable"
    LESSONS = "lessons"
    SUBSTITUTIONS = "substitutions"
    CONTROL_WORKS = "control_works"
    HOMEWORK = "homework"
    RECOMMENDATIONS = "recommendations"
    ATTENDANCE = "attendance"
    MARKS = "marks"
    FINAL_GRADES = "final_grades"
    EXAM_RESULTS = "exam_results"


def refuse(code: Code, field: str = "") -> PydanticCustomError:
    """The error of a rule that a field, or several together, break."""
    return PydanticCustomError(f"{field}:{code}" if field else str(code), "refused")


def _day(value: object) -> object:
    if type(value) is date:
        return value
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            raise refuse(Code.BAD_DATE) from None
        if day.year in _YEARS:
            return day
    raise refuse(Code.BAD_DATE)


def _instant(value: object) -> object:
    instant = value
    if isinstance(value, str) and "T" in value:
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            raise refuse(Code.BAD_INSTANT) from None
    if not isinstance(instant, datetime) or instant.tzinfo is None or instant.year not in _YEARS:
        raise refuse(Code.BAD_INSTANT)
    return instant.astimezone(UTC)


def plain(value: Decimal) -> Decimal:
    """The same number without an exponent or needless zeros, so that equal numbers are written alike."""
    whole = value.to_integral_value()
    return whole.quantize(Decimal(1)) if value == whole else value.normalize()


def number(value: object) -> object:
    """A number as text, with a point or a comma."""
    return value.strip().replace(",", ".") if isinstance(value, str) else value


def _truth(value: object) -> object:
    if isinstance(value, str):
        return {"да": True, "нет": False}.get(value.strip().casefold(), value.strip())
    return value


def school_year(value: object) -> object:
    """A school year as it is stored: `2026/2027`, whatever stands between the years."""
    return re.sub(r"\s*[-–/]\s*", "/", value) if isinstance(value, str) else value


def consecutive(year: str) -> None:
    """A school year names two years that follow each other.

    Raises:
        PydanticCustomError: it does not.
    """
    first, second = year.split("/")
    if int(second) != int(first) + 1:
        raise refuse(Code.BAD_VALUE, "school_year")


@cache
def time_zones() -> frozenset[str]:
    """The IANA names that this machine knows."""
    return frozenset(available_timezones())


ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
OptionalLine: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
SchoolYear: TypeAlias = Annotated[str, BeforeValidator(school_year), StringConstraints(pattern=r"^[0-9]{4}/[0-9]{4}$")]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_instant)]
Truth = Annotated[bool, BeforeValidator(_truth)]
Weight = Annotated[Decimal, BeforeValidator(number), Field(gt=0, le=10, decimal_places=2)]
Score = Annotated[Decimal, BeforeValidator(number), Field(ge=0, le=100_000, decimal_places=3)]
State = Literal["active", "withdrawn"]


class Record(BaseModel):
    """One record of a journal."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", str_strip_whitespace=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    KIND: ClassVar[RecordKind]
    KEY: ClassVar[tuple[str, ...]]
    """The fields that identify it within its source."""
    NEEDED: ClassVar[frozenset[str]] = frozenset()
    """Columns that must be there although a cell may be blank, since leaving one out would change the meaning."""

    state: State = "active"

    def key(self) -> tuple[str, ...]:
        """What identifies the record within its source."""
        return tuple(str(getattr(self, name)) for name in self.KEY)

    @property
    def active(self) -> bool:
        """Whether it holds; false takes it back."""
        return self.state == "active"


def required_fields(model: type[Record]) -> frozenset[str]:
    """The columns that a file of this kind must have."""
    return model.NEEDED | {name for name, field in model.model_fields.items() if field.is_required()}


def from_text(model: type[Record], fields: dict[str, Any]) -> Record:
    """A record from a row of text; a blank field counts as absent.

    Raises:
        pydantic.ValidationError: the row does not fit.
    """
    return model.model_validate({name: value for name, value in fields.items() if value})
