"""The JSON API for programs of the signed-in person: the same session, the same rules, RFC 9457 errors."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from chassis import access_log
from chassis.database import Connection, reader
from chassis.problems import Problem
from services.cabinet.domain import Access, Span, school_year_of, school_year_span
from services.cabinet.handlers import person_of_session
from services.cabinet.queries import reading
from services.cabinet.web.security import cookies_of, doors_of

router = APIRouter(prefix="/v1/me", tags=["me"])


async def signed_in(request: Request) -> UUID:
    """Who is signed in.

    Raises:
        Problem: 401, nobody is.
    """
    token = cookies_of(request).session(request)
    person_id = token and await person_of_session(doors_of(request), token)
    if not person_id:
        raise Problem(401, "not_signed_in", "Sign in first.", "Open /sign-in in a browser and use its session cookie.")
    return person_id


Reader = Annotated[UUID, Depends(signed_in)]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class ChildOut(_Shown):
    """A student about whom the signed-in person may ask."""

    student_id: UUID
    name: str
    class_name: str
    school_name: str
    time_zone: str
    access: Access
    """`open`, or why nothing is shown."""


class MarkOut(_Shown):
    """A mark."""

    mark_id: UUID
    subject_id: UUID
    subject_title: str
    lesson_on: date
    work_type: str
    weight: Decimal
    value: str
    recorded_at: datetime


class ResultOut(_Shown):
    """A final grade, or the result of an exam or a competition."""

    result_id: UUID
    value_revision: int
    kind: str
    subject_id: UUID
    subject_title: str
    title: str | None
    period_kind: str | None
    period_number: int | None
    school_year: str | None
    state: str
    grade: str | None
    score: Decimal | None
    max_score: Decimal | None
    deferred_until: date | None
    obtained_at: datetime
    visible_at: datetime
    """Since when the cabinet has been able to show it."""


@router.get("/children")
async def my_children(request: Request, person_id: Reader) -> list[ChildOut]:
    """Whom the signed-in person represents, and the person if they are a student."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        children = await reading.children(conn, person_id)
        people = [child.student_id for child in children]
        await access_log.looked(conn, access_log.person(person_id), "my_children", people)
        return [ChildOut.model_validate(child) for child in children]


@router.get("/children/{student_id}/marks")
async def my_childs_marks(
    request: Request,
    person_id: Reader,
    student_id: UUID,
    first: Annotated[date | None, Query(alias="from", description="First day; default: the school year's.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day; default: the school year's.")] = None,
) -> list[MarkOut]:
    """Marks, the newest day first."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        student = await _open_student(conn, person_id, student_id)
        today = student.read_at.astimezone(ZoneInfo(student.time_zone)).date()
        year = school_year_span(school_year_of(today))
        span = Span(first or year.first, last or year.last)
        return [MarkOut.model_validate(mark) for mark in await reading.marks(conn, student_id, span)]


@router.get("/children/{student_id}/results")
async def my_childs_results(request: Request, person_id: Reader, student_id: UUID) -> list[ResultOut]:
    """Final grades and exam results of all school years."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        await _open_student(conn, person_id, student_id)
        return [ResultOut.model_validate(item) for item in await reading.results(conn, student_id)]


async def _open_student(conn: Connection, person_id: UUID, student_id: UUID) -> reading.Child:
    found = await reading.children(conn, person_id, student_id)
    if not found:
        raise Problem(404, "not_found", "There is no such child of yours.")
    await access_log.looked(conn, access_log.person(person_id), "my_child", [student_id])
    if found[0].access is not Access.OPEN:
        raise Problem(403, f"closed_{found[0].access.value}", "Nothing can be shown about this child now.")
    return found[0]
