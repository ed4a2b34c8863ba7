"""The forecasts that run: of a student, and of a group for its teachers (C4)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from chassis.database import Database
from contracts.forecast_updated import Band, ForecastGrade, Probabilities
from contracts.values import Language, PeriodKind
from services.gradebook.api.common import Caller
from services.gradebook.forecasting import queries
from services.gradebook.forecasting.presenting import in_words
from services.gradebook.forecasting.queries import Shown


class ForecastWords(BaseModel):
    """A forecast as a person reads it."""

    headline: str
    needed: str | None
    """What is needed for the next grade up; null where nothing is."""


class ForecastAnswer(BaseModel):
    """The forecast of a student's final grade in a subject and period, by the marks so far."""

    student_id: UUID
    subject_id: UUID
    subject: str
    period_id: UUID
    kind: PeriodKind
    number: int
    school_year: str
    probabilities: Probabilities
    leading: ForecastGrade
    band: Band
    marks_counted: int
    words: dict[Language, ForecastWords]
    computed_at: datetime


def add_forecasts(router: APIRouter, database: Database, caller: Caller) -> None:
    """Both endpoints."""

    @router.get(
        "/schools/{school_id}/students/{student_id}/forecasts",
        summary="The forecasts of a student",
        description="Of the periods that run, with at least two marks in each. A forecast is no grade.",
    )
    async def of_student(client: caller, school_id: UUID, student_id: UUID) -> list[ForecastAnswer]:
        async with database.transaction(client.require_school(school_id)) as conn:
            shown = await queries.of_student(conn, school_id, student_id)
        return [_answer(each) for each in shown]

    @router.get("/schools/{school_id}/groups/{group_id}/forecasts", summary="The forecasts of a group's students")
    async def of_group(
        client: caller,
        school_id: UUID,
        group_id: UUID,
        subject: Annotated[UUID | None, Query(description="Only in this subject.")] = None,
    ) -> list[ForecastAnswer]:
        async with database.transaction(client.require_school(school_id)) as conn:
            shown = await queries.of_group(conn, school_id, group_id, subject)
        return [_answer(each) for each in shown]


def _answer(shown: Shown) -> ForecastAnswer:
    stored = shown.stored
    words = {language: in_words(stored, language) for language in Language}
    return ForecastAnswer.model_validate(
        {
            "student_id": stored.student_id,
            "subject_id": stored.subject_id,
            "subject": shown.subject,
            "period_id": stored.period_id,
            "kind": shown.kind,
            "number": shown.number,
            "school_year": shown.school_year,
            "probabilities": dict(zip(("p2", "p3", "p4", "p5"), stored.probabilities, strict=True)),
            "leading": stored.leading_grade,
            "band": stored.band,
            "marks_counted": stored.marks_counted,
            "words": {language: {"headline": told, "needed": needed} for language, (told, needed) in words.items()},
            "computed_at": stored.computed_at,
        }
    )
