"""Closing a period, and deferrals of final grades: what is missing, closing, opening again, deciding (C5.1, C5.3)."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.auth import Client
from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Fault, Problem
from contracts.values import GradeValue
from services.gradebook import naming
from services.gradebook.api.common import Caller, Source, answered
from services.gradebook.api.describing import problems
from services.gradebook.closing import deferring, handlers, queries
from services.gradebook.closing.deferrals import Deferral
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.closing.report import ClosingReport, why
from services.gradebook.records import ExternalId

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Because = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_PRINTABLE)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
State = Literal["requested", "approved", "due", "fulfilled", "refused", "cancelled"]
InClass = Annotated[ExternalId | None, Query(description="One class; otherwise the whole school.")]
_SHOWN_GAPS = 100


class Line(BaseModel):
    """One student in one subject: the grade beside the proposed one, and what is missing."""

    student_id: UUID
    student: str | None
    """The journal's id."""
    name: str
    subject_id: UUID
    subject: str
    marks: int
    mean: str | None
    proposed: int | None
    value: GradeValue | None
    result_id: UUID | None
    held: bool
    reason: str | None
    difference: int | None
    deferred_until: date | None
    standing: Literal["graded", "exempt", "not_assessed", "deferred"] | None
    gap: str | None
    """Why this keeps the period open; null: nothing is missing."""
    warnings: list[str]


class ClassState(BaseModel):
    """One class in the period."""

    class_id: UUID | None
    """Null: students who are in no class."""
    name: str
    grade_level: int | None
    state: Literal["open", "closed", "reopened"]
    counts: dict[str, int]
    missing: list[Line]
    held: list[Line]
    lines: list[Line]


class PeriodState(BaseModel):
    """The period."""

    period_id: UUID
    kind: str
    number: int
    school_year: str
    starts_on: date
    ends_on: date
    closed_at: datetime | None


class ClosingAnswer(BaseModel):
    """A period of a school, or of one class of it."""

    school_id: UUID
    period: PeriodState
    closed: bool
    missing: int
    classes: list[ClassState]


class Reopen(BaseModel):
    """Why a period is opened again."""

    model_config = ConfigDict(extra="forbid")

    reason: Because


class ClosingStep(BaseModel):
    """One closing or reopening."""

    class_id: UUID | None
    state: Literal["closed", "reopened"]
    reason: str
    changed_by: str
    changed_at: datetime
    revision: int


class Correction(BaseModel):
    """A corrected final grade, and why."""

    model_config = ConfigDict(extra="forbid")

    value: GradeValue
    reason: Because


class Corrected(BaseModel):
    """The grade after the correction."""

    result_id: UUID
    value: GradeValue | None
    revision: int
    value_revision: int
    obtained_at: datetime


class DeferralRequest(BaseModel):
    """A deferral that is asked for. Ids are the journal's, or ours."""

    model_config = ConfigDict(extra="forbid")

    student_id: ExternalId
    subject_id: ExternalId
    period_id: ExternalId
    reason: str = Field(default="illness", pattern=r"^[a-z][a-z_]{0,49}$")
    document_number: Because
    document_date: Day
    due_on: Day


class DeferralAnswer(BaseModel):
    """A deferral at its present revision."""

    deferral_id: UUID
    student_id: UUID
    subject_id: UUID
    period_id: UUID
    result_id: UUID
    """The result of which the family is told: as deferred, and then with its grade."""
    state: State
    reason: str
    document_number: str
    document_date: date
    due_on: date
    note: str
    changed_by: str
    changed_at: datetime
    revision: int


class ListedDeferral(BaseModel):
    """A deferral with the names that a person reads."""

    deferral_id: UUID
    student_id: UUID
    student: str
    name: str
    subject_id: UUID
    subject: str
    period_id: UUID
    state: State
    reason: str
    document_number: str
    document_date: date
    due_on: date
    note: str
    changed_by: str
    changed_at: datetime
    revision: int


class Decision(BaseModel):
    """What the head decides: a refusal and an ending say why; a later last day is given to what is due."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "refuse", "cancel", "put_off"]
    note: str = Field(default="", max_length=500, pattern=_PRINTABLE)
    due_on: Day | None = None


class _Reception:
    """Finds what a call is about."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock

    async def desk(self, client: Client, school_id: UUID) -> Desk:
        """The client's place at the school.

        Raises:
            Problem: 403, it is another school's client.
        """
        scope = client.require_school(school_id)
        async with self.database.transaction(client.scope()) as conn:
            label = await queries.client_label(conn, client.client_id)
        return Desk(self.database, self._clock, scope, school_id, label or f"client:{client.client_id}")

    async def find(self, desk: Desk, source: str, kind: str, name: str) -> UUID:
        """Our id of what is called so.

        Raises:
            Problem: 404, the school knows nothing of that name.
        """
        async with desk.transaction() as conn:
            found = await naming.meant(conn, source, kind, name)
        if found is None:
            refusal = {
                "period": Refusal.UNKNOWN_PERIOD,
                "group": Refusal.UNKNOWN_CLASS,
                "person": Refusal.UNKNOWN_STUDENT,
                "subject": Refusal.UNKNOWN_SUBJECT,
                "final_grade": Refusal.UNKNOWN_RESULT,
            }[kind]
            raise Problem(404, refusal.value, Refused(refusal).text("en"), Refused(refusal).text("ru"))
        return found


def add_closing(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """All endpoints of closing and deferrals."""
    reception = _Reception(database, clock)
    _add_periods(router, reception, caller)
    _add_grades(router, reception, caller)
    _add_deferrals(router, reception, caller)


def _closing(report: ClosingReport) -> ClosingAnswer:
    return ClosingAnswer.model_validate(report.as_json())


def _add_periods(router: APIRouter, reception: _Reception, caller: Caller) -> None:
    where = "/schools/{school_id}/periods/{period_id}/closing"

    @router.get(where, summary="What a period still lacks", responses=problems(409))
    async def look(
        client: caller, school_id: UUID, period_id: ExternalId, class_id: InClass = None, source: Source = "district"
    ) -> ClosingAnswer:
        desk = await reception.desk(client, school_id)
        period = await reception.find(desk, source, "period", period_id)
        group = None if class_id is None else await reception.find(desk, source, "group", class_id)
        return _closing(await answered(handlers.look(desk, period, group)))

    @router.post(
        where,
        summary="Close a period",
        description=(
            "For the school or one class. 409 `grades_missing`: somebody has neither a grade, an exemption, `н/а` with "
            "a reason nor a running deferral; `errors` names the first of them, and GET all. Closing again changes "
            "nothing."
        ),
        responses=problems(409),
    )
    async def close(
        client: caller, school_id: UUID, period_id: ExternalId, class_id: InClass = None, source: Source = "district"
    ) -> ClosingAnswer:
        desk = await reception.desk(client, school_id)
        period = await reception.find(desk, source, "period", period_id)
        group = None if class_id is None else await reception.find(desk, source, "group", class_id)
        report = await answered(handlers.close(desk, period, group))
        if report.missing:
            faults = [
                Fault(
                    f"/students/{line.situation.student_id}/subjects/{line.situation.subject_id}", str(line.gap), text
                )
                for line in report.missing[:_SHOWN_GAPS]
                if (text := why(line, "en"))
            ]
            refused = Refused(Refusal.GRADES_MISSING)
            raise Problem(409, refused.code.value, refused.text("en"), refused.text("ru"), errors=faults)
        return _closing(report)

    @router.post(where + "/reopen", summary="Open a closed period again", responses=problems(409))
    async def reopen(  # noqa: PLR0917 - what a call may say
        body: Reopen,
        client: caller,
        school_id: UUID,
        period_id: ExternalId,
        class_id: InClass = None,
        source: Source = "district",
    ) -> ClosingAnswer:
        desk = await reception.desk(client, school_id)
        period = await reception.find(desk, source, "period", period_id)
        group = None if class_id is None else await reception.find(desk, source, "group", class_id)
        return _closing(await answered(handlers.reopen(desk, period, group, reason=body.reason)))

    @router.get(where + "/history", summary="Every closing and reopening", responses=problems(409))
    async def history(
        client: caller, school_id: UUID, period_id: ExternalId, source: Source = "district"
    ) -> list[ClosingStep]:
        desk = await reception.desk(client, school_id)
        period = await reception.find(desk, source, "period", period_id)
        rows = await handlers.history(desk, period)
        return [ClosingStep.model_validate(row._asdict()) for row in rows]


def _add_grades(router: APIRouter, reception: _Reception, caller: Caller) -> None:
    @router.post(
        "/schools/{school_id}/final-grades/{result_id:path}/reason",
        summary="Say why a grade departs from the proposed one",
        description="Or why a student is not assessed (`н/а`). It holds for the present value alone.",
        status_code=204,
        responses=problems(409),
    )
    async def reason(
        body: Reopen, client: caller, school_id: UUID, result_id: ExternalId, source: Source = "district"
    ) -> None:
        desk = await reception.desk(client, school_id)
        result = await reception.find(desk, source, "final_grade", result_id)
        await answered(handlers.state_reason(desk, result, reason=body.reason))

    @router.post(
        "/schools/{school_id}/final-grades/{result_id:path}/correct",
        summary="Correct a final grade, also in a closed period",
        responses=problems(409),
    )
    async def correct(
        body: Correction, client: caller, school_id: UUID, result_id: ExternalId, source: Source = "district"
    ) -> Corrected:
        desk = await reception.desk(client, school_id)
        result = await reception.find(desk, source, "final_grade", result_id)
        grade = await answered(handlers.correct(desk, result, body.value, reason=body.reason))
        return Corrected.model_validate(grade._asdict())


def _deferral(deferral: Deferral) -> DeferralAnswer:
    return DeferralAnswer.model_validate(deferral._asdict())


def _add_deferrals(router: APIRouter, reception: _Reception, caller: Caller) -> None:
    @router.get("/schools/{school_id}/deferrals", summary="Deferrals of final grades", responses=problems(409))
    async def listed(
        client: caller,
        school_id: UUID,
        period_id: Annotated[ExternalId | None, Query()] = None,
        state: Annotated[list[State] | None, Query(description="One or several states.")] = None,
        source: Source = "district",
    ) -> list[ListedDeferral]:
        desk = await reception.desk(client, school_id)
        period = None if period_id is None else await reception.find(desk, source, "period", period_id)
        return [ListedDeferral.model_validate(row) for row in await deferring.listed(desk, period, state)]

    @router.post(
        "/schools/{school_id}/deferrals", summary="Ask for a deferral", status_code=201, responses=problems(409)
    )
    async def ask(
        body: DeferralRequest, client: caller, school_id: UUID, source: Source = "district"
    ) -> DeferralAnswer:
        desk = await reception.desk(client, school_id)
        asked = deferring.Request(
            student_id=await reception.find(desk, source, "person", body.student_id),
            subject_id=await reception.find(desk, source, "subject", body.subject_id),
            period_id=await reception.find(desk, source, "period", body.period_id),
            reason=body.reason,
            document_number=body.document_number,
            document_date=body.document_date,
            due_on=body.due_on,
        )
        return _deferral(await answered(deferring.request(desk, source, asked)))

    @router.post(
        "/schools/{school_id}/deferrals/{deferral_id}/decision", summary="Decide on a deferral", responses=problems(409)
    )
    async def decide(body: Decision, client: caller, school_id: UUID, deferral_id: UUID) -> DeferralAnswer:
        desk = await reception.desk(client, school_id)
        match body.decision:
            case "approve":
                work = deferring.approve(desk, deferral_id)
            case "refuse":
                work = deferring.refuse(desk, deferral_id, note=body.note)
            case "cancel":
                work = deferring.cancel(desk, deferral_id, note=body.note)
            case "put_off":
                if body.due_on is None:
                    raise Problem(422, "bad_due_date", Refused(Refusal.BAD_DUE_DATE).text("en"))
                work = deferring.put_off(desk, deferral_id, body.due_on)
        return _deferral(await answered(work))

    @router.get(
        "/schools/{school_id}/deferrals/{deferral_id}/history",
        summary="Every revision of a deferral",
        responses=problems(409),
    )
    async def history(client: caller, school_id: UUID, deferral_id: UUID) -> list[DeferralAnswer]:
        desk = await reception.desk(client, school_id)
        return [_deferral(row) for row in await deferring.history(desk, deferral_id)]
