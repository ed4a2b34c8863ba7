"""The HTTP API: journals send records in bulk or as files, release and withdraw final grades, and read results back."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Fault, Problem
from services.gradebook import handlers, queries
from services.gradebook.bodies import Taken, answer, parse, read_body, request_body
from services.gradebook.exchange.report import EXIT_NOTHING_DONE
from services.gradebook.importing import import_files
from services.gradebook.reading import StudentResults, student_results
from services.gradebook.records import MODELS, ExternalId, RecordKind
from services.gradebook.settings import Settings
from services.gradebook.taking import Outcome

BULK = {
    "marks": RecordKind.MARKS,
    "final-grades": RecordKind.FINAL_GRADES,
    "exam-results": RecordKind.EXAM_RESULTS,
    "people": RecordKind.PEOPLE,
    "groups": RecordKind.GROUPS,
    "representatives": RecordKind.REPRESENTATIVES,
    "members": RecordKind.MEMBERS,
}
_COPY_BYTES = 1 << 20

Source = Annotated[str, Query(max_length=100, pattern=r"^[\w.:-]+$", description="The namespace of the journal's ids.")]


class ReleaseRequest(BaseModel):
    """Which final grades are released: by their ids, or a class for a period. All ids are the journal's."""

    model_config = ConfigDict(extra="forbid")

    result_ids: list[ExternalId] | None = Field(default=None, min_length=1, max_length=5000)
    period_id: ExternalId | None = None
    class_id: ExternalId | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ReleaseRequest":
        by_class = self.period_id is not None and self.class_id is not None
        named = self.result_ids is not None
        if by_class == named or (named and (self.period_id or self.class_id)):
            raise ValueError("give either result_ids, or period_id together with class_id")
        return self


class ReleaseResponse(BaseModel):
    """What was released."""

    released: int
    unknown: list[str]


class ResolveRequest(BaseModel):
    """Ids of persons as a journal has them."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, StringConstraints(max_length=100, pattern=r"^[\w.:-]+$")] = "district"
    ids: list[ExternalId] = Field(min_length=1, max_length=5000)


class ResolveResponse(BaseModel):
    """Our ids by the journal's; those that are unknown to the caller are listed apart."""

    ids: dict[str, UUID]
    unknown: list[str]


def make_router(database: Database, clock: Clock, settings: Settings) -> APIRouter:
    """All endpoints."""
    router = APIRouter(prefix="/v1", tags=["gradebook"])
    caller = Annotated[Client, Depends(client_auth(database))]
    for name, kind in BULK.items():
        _add_bulk(router, name, kind, _bulk(database, clock, settings, kind, caller))
    _add_release(router, database, clock, caller)
    _add_reading(router, database, caller)
    _add_imports(router, database, clock, settings, caller)
    return router


async def _sender(database: Database, client: Client, school_id: UUID, source: str) -> handlers.Sender:
    """For whom the client sends.

    Raises:
        Problem: 403 or 404, it is another school's client, or there is no such school.
    """
    client.require_school(school_id)
    if not await handlers.school_exists(database, client.scope(), school_id):
        raise Problem(404, "unknown_school", "There is no such school; import it first.")
    return handlers.Sender(source, school_id, of_district=client.school_id is None)


def _bulk(
    database: Database, clock: Clock, settings: Settings, kind: RecordKind, caller: Any
) -> Callable[..., Awaitable[Taken]]:
    async def take(
        request: Request,
        client: caller,
        school_id: UUID,
        source: Source = "district",
    ) -> Taken:
        sender = await _sender(database, client, school_id, source)
        body = await read_body(request, settings.bulk_max_bytes)
        parsed = parse(body, request.headers.get("content-type", ""), MODELS[kind])
        outcome = await handlers.take_records(database, clock, sender, kind, parsed.rows) if parsed.rows else Outcome()
        return answer(parsed, outcome)

    return take


def _add_bulk(router: APIRouter, name: str, kind: RecordKind, endpoint: Callable[..., Awaitable[Taken]]) -> None:
    router.add_api_route(
        f"/schools/{{school_id}}/{name}",
        endpoint,
        methods=["POST"],
        operation_id=f"send_{kind}",
        summary=f"Send {name.replace('-', ' ')}",
        description=(
            "Takes up to 5,000 records as a JSON array or NDJSON in one transaction. Records that fit are taken even "
            "if others do not; those are listed in `rejected`, and the status is 200 as long as any was taken. 422: "
            "the body is no list of records, or none of them could be taken. Sending the same again changes nothing; a "
            "record with a known id is a correction; `state: withdrawn` takes it back."
        ),
        response_model=Taken,
        openapi_extra=request_body(MODELS[kind]),
    )


def _add_release(router: APIRouter, database: Database, clock: Clock, caller: Any) -> None:
    @router.post("/schools/{school_id}/final-grades/release", summary="Release held final grades")
    async def release(
        body: ReleaseRequest, client: caller, school_id: UUID, source: Source = "district"
    ) -> ReleaseResponse:
        sender = await _sender(database, client, school_id, source)
        if body.period_id is not None and body.class_id is not None:
            released = await handlers.release_class(
                database, clock, sender, period_id=body.period_id, class_id=body.class_id
            )
            return ReleaseResponse(released=released, unknown=[])
        done = await handlers.release_results(database, clock, sender, body.result_ids or [])
        return ReleaseResponse(released=done.released, unknown=done.unknown)

    @router.post(
        "/schools/{school_id}/final-grades/{result_id:path}/withdraw",
        summary="Withdraw a final grade",
        status_code=204,
    )
    async def withdraw(
        result_id: Annotated[ExternalId, InPath(description="The journal's id.")],
        client: caller,
        school_id: UUID,
        source: Source = "district",
    ) -> None:
        sender = await _sender(database, client, school_id, source)
        if not await handlers.withdraw_result(database, clock, sender, result_id):
            raise Problem(404, "unknown_result", "This school has no final grade of that id and source.")


def _add_reading(router: APIRouter, database: Database, caller: Any) -> None:
    @router.post("/ids:resolve", summary="Our ids of persons")
    async def resolve(body: ResolveRequest, client: caller) -> ResolveResponse:
        found = await handlers.resolve_persons(database, client.scope(), body.source, body.ids)
        return ResolveResponse(ids=found, unknown=sorted(set(body.ids) - set(found)))

    @router.get("/schools/{school_id}/students/{student_id}/results", summary="Results of a student")
    async def results(client: caller, school_id: UUID, student_id: UUID) -> StudentResults:
        scope = client.require_school(school_id)
        async with database.transaction(scope) as conn:
            rows = [dict(row) for row in await queries.results_of_student(conn, student_id, school_id)]
        return student_results(student_id, rows)


def _add_imports(router: APIRouter, database: Database, clock: Clock, settings: Settings, caller: Any) -> None:
    @router.post(
        "/imports",
        summary="Import a file",
        description=(
            "Takes a ZIP archive of plain CSV or OneRoster files, or one CSV file named after its kind. 200: the "
            "report, also when rows were rejected (`exit_code` 2). 422: nothing could be taken. `dry_run` changes "
            "nothing."
        ),
    )
    async def imports(
        client: caller,
        file: Annotated[UploadFile, File(description="The archive or CSV file.")],
        source: Source = "district",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        async with _stored(file, settings.import_max_upload_bytes) as path:
            report = await import_files(
                database,
                clock,
                path,
                source=source,
                dry_run=dry_run,
                school_id=client.school_id,
                limits=settings.limits(),
            )
        if report.exit_code == EXIT_NOTHING_DONE:
            faults = [Fault(f"#/{r.file}/{r.line or ''}", r.code, r.reason("en")) for r in report.rejections[:100]]
            raise Problem(422, "nothing_imported", "Nothing in the file could be taken.", errors=faults)
        return report.as_json()


@asynccontextmanager
async def _stored(upload: UploadFile, max_bytes: int) -> AsyncIterator[Path]:
    """The upload as a file with its own name, gone afterwards.

    Raises:
        Problem: 413, it is too large.
    """
    with tempfile.TemporaryDirectory(prefix="sutki-import-") as folder:
        # The sender's name decides what a lone CSV file holds, but never where it is written.
        name = Path((upload.filename or "").replace("\\", "/")).name
        path = Path(folder) / (name if name not in ("", ".", "..") and len(name.encode()) < 200 else "upload")
        written = 0
        with path.open("wb") as target:
            while chunk := await upload.read(_COPY_BYTES):
                written += len(chunk)
                if written > max_bytes:
                    raise Problem(413, "file_too_large", f"The file is larger than {max_bytes} bytes.")
                await asyncio.to_thread(target.write, chunk)
        yield path
