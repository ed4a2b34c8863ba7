"""Statistics of a school's or the district's period, and summary sheets of classes; as JSON or as XLSX (C5.2, C5.4)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chassis.database import Database, Scope
from chassis.problems import Problem
from contracts.values import PeriodKind
from services.gradebook import naming
from services.gradebook.api.common import Caller, Source
from services.gradebook.api.statistics_answers import SheetAnswer, StatisticsAnswer
from services.gradebook.records import ExternalId
from services.gradebook.statistics import handlers
from services.gradebook.statistics.tables import By, DistrictBy, Statistics
from services.gradebook.statistics.workbook import workbook as statistics_workbook
from services.gradebook.summary_sheet import NoSuchClass, SummarySheet, summary_sheet, workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Language = Annotated[Literal["ru", "en"], Query(description="The workbook's language.")]
Split = Annotated[bool, Query(description="Whether each line is split by its subjects.")]
SchoolYear = Annotated[str, Query(pattern=r"^[0-9]{4}/[0-9]{4}$", description="Such as 2026/2027.")]
_WORKBOOK: dict[int | str, dict[str, Any]] = {
    200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}, "description": "The workbook."}
}


def add_statistics(router: APIRouter, database: Database, caller: Caller) -> None:
    """All of them."""
    _add_school(router, database, caller)
    _add_district(router, database, caller)
    _add_sheets(router, database, caller)


def _file(content: bytes, name: str) -> Response:
    return Response(content, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}.xlsx"'})


async def _find(database: Database, scope: Scope, source: str, kind: str, name: str) -> UUID:
    async with database.transaction(scope) as conn:
        found = await naming.meant(conn, source, kind, name)
    if found is None:
        raise Problem(404, f"unknown_{'class' if kind == 'group' else kind}", "This school has nothing of that name.")
    return found


def _add_school(router: APIRouter, database: Database, caller: Caller) -> None:
    async def count(  # noqa: PLR0917 - what a call may say
        client: caller,
        school_id: UUID,
        period_id: ExternalId,
        by: By = "class",
        split_by_subject: Split = False,
        source: Source = "district",
    ) -> Statistics:
        scope = client.require_school(school_id)
        period = await _find(database, scope, source, "period", period_id)
        try:
            return await handlers.of_school(
                database, scope, school_id, period, by=by, split_by_subject=split_by_subject
            )
        except handlers.NoSuchPeriod:
            raise Problem(404, "unknown_period", "This school has no such period.") from None

    _answer_statistics(router, "/schools/{school_id}/periods/{period_id}/statistics", "A school's statistics", count)


def _add_district(router: APIRouter, database: Database, caller: Caller) -> None:
    async def count(  # noqa: PLR0917 - what a call may say
        client: caller,
        kind: PeriodKind,
        school_year: SchoolYear,
        number: Annotated[int, Query(ge=1, le=4)] = 1,
        by: DistrictBy = "school",
        split_by_subject: Split = False,
    ) -> Statistics:
        try:
            return await handlers.of_district(
                database,
                client.require_district(),
                kind=kind.value,
                number=number,
                school_year=school_year,
                by=by,
                split_by_subject=split_by_subject,
            )
        except handlers.NoSuchPeriod:
            raise Problem(404, "unknown_period", "No school has such a period.") from None

    _answer_statistics(router, "/statistics", "The district's statistics", count)


def _answer_statistics(router: APIRouter, path: str, summary: str, count: Callable[..., Awaitable[Statistics]]) -> None:
    """What `count` finds, as JSON and as a workbook."""
    Counted = Annotated[Statistics, Depends(count)]  # noqa: N806 - a type

    @router.get(path, summary=summary)
    async def statistics(counted: Counted) -> StatisticsAnswer:
        return StatisticsAnswer.model_validate(counted.as_json())

    @router.get(f"{path}.xlsx", summary=f"{summary} as a workbook", response_class=Response, responses=_WORKBOOK)
    async def as_workbook(counted: Counted, language: Language = "ru") -> Response:
        return _file(statistics_workbook(counted, language), "statistics")


def _add_sheets(router: APIRouter, database: Database, caller: Caller) -> None:
    async def make(
        client: caller,
        school_id: UUID,
        class_id: ExternalId,
        school_year: SchoolYear,
        source: Source = "district",
    ) -> SummarySheet:
        scope = client.require_school(school_id)
        group = await _find(database, scope, source, "group", class_id)
        try:
            return await summary_sheet(database, scope, school_id, group, school_year)
        except NoSuchClass:
            raise Problem(404, "unknown_class", "This school has no such class in that school year.") from None

    Made = Annotated[SummarySheet, Depends(make)]  # noqa: N806 - a type
    path = "/schools/{school_id}/classes/{class_id}/summary-sheet"

    @router.get(path, summary="A class's summary sheet")
    async def sheet(made: Made) -> SheetAnswer:
        return SheetAnswer.model_validate(made.as_json())

    @router.get(
        f"{path}.xlsx", summary="A class's summary sheet as a workbook", response_class=Response, responses=_WORKBOOK
    )
    async def as_workbook(made: Made, language: Language = "ru") -> Response:
        return _file(workbook(made, language), "summary-sheet")
