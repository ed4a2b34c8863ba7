"""The pages of a signed-in person: their children, marks, final grades and exam results."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from chassis import access_log
from chassis.database import Connection, reader
from services.cabinet import metrics
from services.cabinet.domain import Access
from services.cabinet.handlers import person_of_session
from services.cabinet.queries import reading
from services.cabinet.web import views
from services.cabinet.web.errors import NotFound, NotSignedIn
from services.cabinet.web.rendering import render
from services.cabinet.web.security import cookies_of, doors_of

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

NEW_WITHIN = timedelta(days=7)


async def signed_in(request: Request) -> UUID:
    """Who is signed in.

    Raises:
        NotSignedIn: nobody; the reader is sent to the sign-in page.
    """
    token = cookies_of(request).session(request)
    person_id = token and await person_of_session(doors_of(request), token)
    if not person_id:
        raise NotSignedIn
    request.state.person_id = person_id
    return person_id


Reader = Annotated[UUID, Depends(signed_in)]


@router.get("/")
async def home(request: Request, person_id: Reader) -> HTMLResponse:
    """The reader's children, with what is new."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        children = await reading.children(conn, person_id)
        await _noted(conn, person_id, "home", children)
        opened = any(child.access is Access.OPEN for child in children)
        results = await reading.new_results(conn, NEW_WITHIN) if opened else []
        marks = await reading.new_marks(conn, NEW_WITHIN) if opened else []
    return render(request, "home.html", cards=views.child_cards(children, results, marks), days=NEW_WITHIN.days)


@router.get("/children/{student_id}")
async def child(
    request: Request, person_id: Reader, student_id: UUID, period: Annotated[str, Query(max_length=40)] = "current"
) -> HTMLResponse:
    """Marks by subject and by day, final grades and exam results of this school year."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        student = await _student(conn, person_id, student_id)
        metrics.PAGES.labels("child", student.access.value).inc()
        await _noted(conn, person_id, "child", [student])
        if student.access is not Access.OPEN:
            return render(request, "closed.html", child=student, page="marks")
        results = await reading.results(conn, student_id)
        today = student.read_at.astimezone(ZoneInfo(student.time_zone)).date()
        choices = views.period_choices(results, today)
        chosen = views.choose_period(choices, period)
        marks = await reading.marks(conn, student_id, chosen.span)
    recent, earlier = views.by_day(marks, today)
    tables = views.grade_tables(results)
    year_began = choices[-1].span.first
    return render(
        request,
        "child.html",
        child=student,
        page="marks",
        choices=choices,
        chosen=chosen,
        subjects=views.by_subject(marks),
        recent=recent,
        earlier=earlier,
        earlier_count=sum(len(day.marks) for day in earlier),
        tables=tables[:1],
        exams=[item for item in views.exams(results) if item.obtained_at.date() >= year_began],
    )


@router.get("/children/{student_id}/results")
async def child_results(request: Request, person_id: Reader, student_id: UUID) -> HTMLResponse:
    """Final grades and exam results of all school years."""
    async with doors_of(request).database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        student = await _student(conn, person_id, student_id)
        metrics.PAGES.labels("results", student.access.value).inc()
        await _noted(conn, person_id, "results", [student])
        if student.access is not Access.OPEN:
            return render(request, "closed.html", child=student, page="results")
        results = await reading.results(conn, student_id)
    newest = sorted(results, key=lambda item: item.visible_at, reverse=True)
    return render(
        request,
        "results.html",
        child=student,
        page="results",
        newest=newest[: views.NEW_RESULTS_SHOWN],
        tables=views.grade_tables(results),
        exams=views.exams(results),
    )


async def _noted(conn: Connection, person_id: UUID, page: str, students: Sequence[reading.Child]) -> None:
    """Who looked at whom: in the transaction that reads, with the reader's own few rights."""
    people = [student.student_id for student in students]
    await access_log.looked(conn, access_log.person(person_id), f"page_{page}", people)


async def _student(conn: Connection, person_id: UUID, student_id: UUID) -> reading.Child:
    found = await reading.children(conn, person_id, student_id)
    if not found:
        # The same answer for a foreign child and for one that does not exist.
        raise NotFound
    return found[0]
