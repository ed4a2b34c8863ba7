"""Sending records in bulk: one endpoint for each kind."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from services.gradebook.api.common import Caller, Source, sender_of
from services.gradebook.api.describing import problems
from services.gradebook.bodies import Taken, answer, nothing_taken, parse, read_body, request_body
from services.gradebook.bulk_taking import Batch, Done, NothingTaken, take_batch
from services.gradebook.idempotency import KeyReused, Once, StillRunning, fingerprint
from services.gradebook.records import MODELS, RecordKind
from services.gradebook.settings import Settings

REPLAYED = "Idempotency-Replayed"
Partial = Annotated[bool, Query(description="Take the records that fit although others do not.")]
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Names the request, so that it may be sent again: a UUID, or whatever the client never repeats.",
    ),
]

BULK = {
    "marks": RecordKind.MARKS,
    "final-grades": RecordKind.FINAL_GRADES,
    "exam-results": RecordKind.EXAM_RESULTS,
    "people": RecordKind.PEOPLE,
    "groups": RecordKind.GROUPS,
    "representatives": RecordKind.REPRESENTATIVES,
    "members": RecordKind.MEMBERS,
    "campuses": RecordKind.CAMPUSES,
    "school-years": RecordKind.SCHOOL_YEARS,
    "periods": RecordKind.PERIODS,
    "holidays": RecordKind.HOLIDAYS,
    "teaching": RecordKind.TEACHING,
    "curriculum": RecordKind.CURRICULUM,
    "timetable": RecordKind.TIMETABLE,
    "lessons": RecordKind.LESSONS,
    "substitutions": RecordKind.SUBSTITUTIONS,
    "control-works": RecordKind.CONTROL_WORKS,
    "homework": RecordKind.HOMEWORK,
    "recommendations": RecordKind.RECOMMENDATIONS,
    "attendance": RecordKind.ATTENDANCE,
}
"""The path of each kind."""


def add_bulk(router: APIRouter, database: Database, clock: Clock, settings: Settings, caller: Caller) -> None:
    """An endpoint for each kind."""
    for name, kind in BULK.items():
        _add(router, name, kind, _bulk(database, clock, settings, kind, caller))


def _bulk(
    database: Database, clock: Clock, settings: Settings, kind: RecordKind, caller: Caller
) -> Callable[..., Awaitable[Taken]]:
    async def take(  # noqa: PLR0917 - what a call may say
        request: Request,
        response: Response,
        client: caller,
        school_id: UUID,
        source: Source = "district",
        partial: Partial = False,
        idempotency_key: Key = None,
    ) -> Taken:
        sender = await sender_of(database, client, school_id, source)
        body = await read_body(request, settings.bulk_max_bytes)
        media_type = request.headers.get("content-type", "")
        parsed = parse(body, media_type, MODELS[kind])
        batch = Batch(kind, parsed.rows, parsed.faults, partial=partial)
        once = None
        if idempotency_key is not None:
            asked = fingerprint("POST", request.url.path, source, str(partial), media_type, body)
            once = Once(client.client_id, idempotency_key.strip('"') or '"', asked)
        done = await _answered(take_batch(database, clock, sender, batch, answer, once=once))
        if done.replayed:
            response.headers[REPLAYED] = "true"
        return Taken.model_validate(done.answer)

    return take


async def _answered(work: Awaitable[Done]) -> Done:
    try:
        return await work
    except NothingTaken as refused:
        raise nothing_taken(refused.faults) from None
    except StillRunning:
        title = "The request with this key is still being worked on; ask again in a moment."
        told = "Запрос с этим ключом ещё выполняется: повторите его чуть позже."
        raise Problem(409, "idempotency_key_in_use", title, told) from None
    except KeyReused:
        title = "This key stands for another request; a new request needs a new key."
        told = "Этот ключ уже стоит за другим запросом: новому запросу нужен новый ключ."
        raise Problem(422, "idempotency_key_reused", title, told) from None


def _add(router: APIRouter, name: str, kind: RecordKind, endpoint: Callable[..., Awaitable[Taken]]) -> None:
    router.add_api_route(
        f"/schools/{{school_id}}/{name}",
        endpoint,
        methods=["POST"],
        operation_id=f"send_{kind}",
        summary=f"Send {name.replace('-', ' ')}",
        description=(
            "Takes up to 5,000 records as a JSON array or NDJSON in one transaction: all of them, or none. 422 "
            "`nothing_taken` names each record that does not fit by JSON pointer, code and sentence. With "
            "`partial=true` the others are taken and those are listed in `rejected`. Sending the same again changes "
            "nothing; a record with a known id is a correction; `state: withdrawn` takes it back. With "
            "`Idempotency-Key` the same request gets the same answer again."
        ),
        response_model=Taken,
        responses=problems(409, 415)
        | {
            200: {
                "description": "What became of the records.",
                "headers": {
                    REPLAYED: {
                        "schema": {"type": "string", "enum": ["true"]},
                        "description": "It is the answer to an earlier request with this key.",
                    }
                },
            }
        },
        openapi_extra=request_body(MODELS[kind]),
    )
