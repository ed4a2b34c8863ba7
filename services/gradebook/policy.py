"""What differs from school to school: settings as versions, each in force from its date until the next one's."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.values import GradeValue, MarkValue, WorkType

Mean = Annotated[Decimal, Field(ge=1, le=5, decimal_places=2)]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,49}$")]


class Borders(BaseModel):
    """The least weighted mean for each final grade; below the first it is a 2. The default rounds half up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    three: Mean = Decimal("2.5")
    four: Mean = Decimal("3.5")
    five: Mean = Decimal("4.5")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.three < self.four < self.five:
            raise ValueError("the borders must rise: three, four, five")
        return self


class SchoolPolicy(BaseModel):
    """The settings of one school. The defaults are those of `docs/exchange.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    borders: Borders = Borders()
    minimum_marks: int = Field(default=3, ge=0, le=50)
    """Fewer marks in a period than this is a warning when it is closed."""
    difference_needs_reason: int = Field(default=1, ge=0, le=4)
    """A final grade that differs from the proposed one by more than this needs a reason."""
    scale: tuple[MarkValue, ...] = ("1", "2", "3", "4", "5", "зач", "незач")
    """The marks that are given here."""
    final_scale: tuple[GradeValue, ...] = ("1", "2", "3", "4", "5", "зач", "незач", "н/а", "осв")
    """The final grades that are given here."""
    hold_final_grades: bool = False
    """Whether final grades wait for the pedagogical council unless they say otherwise."""
    deferral_reasons: tuple[ReasonCode, ...] = ("illness",)
    """For what a final grade may be deferred (C5.3)."""
    control_works_a_day: int = Field(default=1, ge=1, le=10)
    """How many control works a class may have on one day."""
    same_subject_control_works_a_week: int = Field(default=2, ge=1, le=10)
    """How many of one subject a class may have in one week, Monday to Sunday."""
    control_work_kinds: tuple[WorkType, ...] = (WorkType.CONTROL_WORK,)
    """What counts as a control work in these two."""
    control_work_clash: Literal["refuse", "allow"] = "refuse"
    """Whether a clash is refused, or only shown beforehand."""
    marks_need_lessons: bool = False
    """Whether a mark must have a lesson of its group and subject on its date. Off where only marks are sent here."""
    marks_need_membership: bool = True
    """Whether a mark that names a group is refused for a student who was not in it on its date."""
    marks_in_grade_one: bool = False
    """Grade 1 has no marks."""


DEFAULT = SchoolPolicy()


class Policies:
    """All versions of one school's settings."""

    def __init__(self, versions: Sequence[tuple[date, SchoolPolicy]]) -> None:
        ordered = sorted(versions, key=lambda version: version[0])
        self._days = [day for day, _ in ordered]
        self._policies = [policy for _, policy in ordered]

    def on(self, day: date) -> SchoolPolicy:
        """The settings in force on a day; the defaults before the first version."""
        position = bisect_right(self._days, day)
        return self._policies[position - 1] if position else DEFAULT
