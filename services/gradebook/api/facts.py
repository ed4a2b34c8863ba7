"""Reading the journal's facts of a school: lists by day, page by page."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_type_hints
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, create_model

from chassis.database import Database
from services.gradebook import fact_tables, journal_reading
from services.gradebook.api.common import Caller, Cursor, From, Limit, Page, To, read_cursor, write_cursor
from services.gradebook.facts import (
    Attendance,
    ControlWork,
    Curriculum,
    Fact,
    Homework,
    Lesson,
    Recommendation,
    Substitution,
)
from services.gradebook.journal_reading import Listing, Wanted

LISTS: dict[str, tuple[type[Fact], Listing[Any]]] = {
    "lessons": (Lesson, Listing(fact_tables.LESSONS, "lesson_on")),
    "substitutions": (Substitution, Listing(fact_tables.SUBSTITUTIONS, "lesson_on")),
    "control-works": (ControlWork, Listing(fact_tables.CONTROL_WORKS, "planned_on")),
    "homework": (
        Homework,
        Listing(fact_tables.HOMEWORK, "assigned_on", by_student=journal_reading.HOMEWORK_OF_STUDENT),
    ),
    "recommendations": (
        Recommendation,
        Listing(fact_tables.RECOMMENDATIONS, "given_on", by_student=journal_reading.ADVICE_FOR_STUDENT),
    ),
    "attendance": (Attendance, Listing(fact_tables.ATTENDANCE, "lesson_on", by_student="student_id = {value}")),
}
"""The lists that can be read: path, what is in them, and how they are found."""


def answer_model(fact: type[Fact]) -> type[BaseModel]:
    """The answer's model of a fact: its fields as they are kept."""
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in get_type_hints(fact).items()}
    return create_model(f"{fact.__name__}Answer", __doc__=fact.__doc__, **fields)


def add_facts(router: APIRouter, database: Database, caller: Caller) -> None:
    """A list for each kind."""
    for name, (fact, listing) in LISTS.items():
        router.add_api_route(
            f"/schools/{{school_id}}/{name}",
            _list(database, listing, caller),
            methods=["GET"],
            operation_id=f"list_{name.replace('-', '_')}",
            summary=f"List {name.replace('-', ' ')}",
            description="In the order of days. What was taken back is left out unless `withdrawn` asks for it.",
            response_model=Page[answer_model(fact)],  # type: ignore[misc]
        )
    _add_curriculum(router, database, caller)


def _list(database: Database, listing: Listing[Any], caller: Caller) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def read(  # noqa: PLR0917 - each is a filter of the query
        client: caller,
        school_id: UUID,
        first: From = None,
        to: To = None,
        group_id: UUID | None = None,
        subject_id: UUID | None = None,
        student_id: UUID | None = None,
        period_id: UUID | None = None,
        withdrawn: bool = False,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        wanted = Wanted(
            school_id,
            first,
            to,
            group_id,
            subject_id,
            student_id,
            period_id=period_id,
            with_withdrawn=withdrawn,
            after=read_cursor(cursor),
        )
        async with database.transaction(client.require_school(school_id)) as conn:
            found = await journal_reading.facts(conn, listing, wanted, limit + 1)
        items = [fact._asdict() for fact in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        return {"items": items, "next": None if last is None else write_cursor(listing.day_of(last), last[0])}

    return read


def _add_curriculum(router: APIRouter, database: Database, caller: Caller) -> None:
    model = answer_model(Curriculum)

    @router.get(
        "/schools/{school_id}/groups/{group_id}/curriculum",
        summary="The curriculum plan of a group",
        response_model=list[model],  # type: ignore[valid-type]
    )
    async def curriculum(
        client: caller,
        school_id: UUID,
        group_id: UUID,
        period_id: Annotated[UUID | None, Query(description="Only this period.")] = None,
    ) -> list[dict[str, Any]]:
        async with database.transaction(client.require_school(school_id)) as conn:
            plan = await journal_reading.curriculum_of_group(conn, school_id, group_id, period_id)
        return [line._asdict() for line in plan]
