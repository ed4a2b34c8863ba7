"""One record at a time, with the revision that was read: two teachers do not overwrite each other."""

from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from pydantic import ValidationError

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Fault, Problem
from services.gradebook import rejections, singles
from services.gradebook.api.common import Caller, Source, sender_of
from services.gradebook.api.describing import problems
from services.gradebook.bodies import read_body, record_body
from services.gradebook.bulk_taking import NothingTaken
from services.gradebook.records import MODELS, ExternalId, Record
from services.gradebook.rejections import Code
from services.gradebook.singles import SINGLES, Condition, ConditionNeeded, Single, Stale, Unknown

MAX_BYTES = 1 << 20
T = TypeVar("T")
OwnId = Annotated[ExternalId, InPath(description="The journal's own id.")]
IfMatch = Annotated[str | None, Header(max_length=1000, description="The `ETag` that was read.")]
IfNoneMatch = Annotated[str | None, Header(max_length=1000, description="`*`: only if there is none yet.")]
IfChanged = Annotated[
    str | None, Header(max_length=1000, description="The `ETag` that is known: 304 if it still holds.")
]
_TAG = {"ETag": {"schema": {"type": "string"}, "description": "The revision, for `If-Match`."}}
_READ: dict[int | str, dict[str, Any]] = {
    200: {"headers": _TAG},
    304: {"headers": _TAG, "description": "It is as the caller knows it."},
}
_WRITTEN: dict[int | str, dict[str, Any]] = {
    200: {"headers": _TAG},
    201: {"headers": _TAG, "description": "It is new."},
}


def add_singles(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """Three endpoints for each kind."""
    for name, single in SINGLES.items():
        _add_reading(router, database, caller, name, single)
        _add_writing(router, database, clock, caller, which=(name, single))


def _called(name: str) -> str:
    return name.removesuffix("s").replace("-", " ")


async def _answered(work: Awaitable[T]) -> T:
    """What a use case gives.

    Raises:
        Problem: 404, 412, 422 or 428.
    """
    try:
        return await work
    except Unknown:
        title = "This school has no record of that id and source."
        raise Problem(404, "unknown_record", title, "В этой школе нет такой записи.") from None
    except Stale:
        title = "Somebody has changed the record since it was read; read it again."
        raise Problem(412, "stale", title, "Запись с тех пор изменили: прочитайте её заново.") from None
    except ConditionNeeded:
        title = "Say which revision was read: If-Match with the ETag."
        told = "Укажите, какая версия прочитана: If-Match со значением ETag."
        raise Problem(428, "condition_needed", title, told) from None
    except NothingTaken as refused:
        raise _refused([fault for _, fault in refused.faults]) from None


def _refused(faults: list[rejections.Fault]) -> Problem:
    errors = [
        Fault(f"/{fault.field}" if fault.field else "", fault.code, rejections.text(fault.code, "en"))
        for fault in faults
    ]
    told = "; ".join(rejections.text(fault.code, "ru") for fault in faults)
    return Problem(422, "record_refused", "The journal refuses the record; see errors.", told, errors=errors)


def _add_reading(router: APIRouter, database: Database, caller: Caller, name: str, single: Single) -> None:
    @router.get(
        f"/schools/{{school_id}}/{name}/{{own_id:path}}",
        operation_id=f"read_{single.identity}",
        summary=f"Read one {_called(name)}",
        description="As the journal states it, also when it was withdrawn. `ETag` is its revision.",
        response_model=MODELS[single.kind],
        responses=_READ,
    )
    async def read(  # noqa: PLR0917 - what a call may say
        response: Response,
        client: caller,
        school_id: UUID,
        own_id: OwnId,
        source: Source = "district",
        if_none_match: IfChanged = None,
    ) -> Record | Response:
        scope = client.require_school(school_id)
        found = singles.read_one(database, scope, school_id, source, single=single, external_id=own_id)
        kept = await _answered(found)
        if if_none_match is not None and singles.named(if_none_match, kept, weakly=True):
            return Response(status_code=304, headers={"ETag": kept.tag})
        response.headers["ETag"] = kept.tag
        return kept.record


def _add_writing(
    router: APIRouter, database: Database, clock: Clock, caller: Caller, *, which: tuple[str, Single]
) -> None:
    name, single = which
    path = f"/schools/{{school_id}}/{name}/{{own_id:path}}"

    @router.put(
        path,
        operation_id=f"write_{single.identity}",
        summary=f"Write one {_called(name)}",
        description=(
            "Records it, or corrects what is there: then `If-Match` must say which revision was read (428 without, 412 "
            "when it is not the present one any more). `If-None-Match: *` writes only what is not there yet."
        ),
        response_model=MODELS[single.kind],
        responses=_WRITTEN | problems(412, 428),
        openapi_extra=record_body(MODELS[single.kind], single.key),
    )
    async def write(  # noqa: PLR0917 - what a call may say
        request: Request,
        response: Response,
        client: caller,
        school_id: UUID,
        own_id: OwnId,
        source: Source = "district",
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> Record:
        sender = await sender_of(database, client, school_id, source)
        record = _record(await read_body(request, MAX_BYTES), single, own_id)
        condition = Condition(if_match, if_none_match)
        work = singles.write_one(database, clock, sender, record, single=single, condition=condition)
        kept = await _answered(work)
        response.headers["ETag"] = kept.tag
        response.status_code = 201 if kept.added else 200
        return kept.record

    @router.delete(
        path,
        operation_id=f"withdraw_{single.identity}",
        summary=f"Withdraw one {_called(name)}",
        description="It stays in the history. `If-Match` must say which revision was read.",
        status_code=204,
        responses={204: {"headers": _TAG}, **problems(412, 428)},
    )
    async def withdraw(  # noqa: PLR0917 - what a call may say
        response: Response,
        client: caller,
        school_id: UUID,
        own_id: OwnId,
        source: Source = "district",
        if_match: IfMatch = None,
    ) -> None:
        sender = await sender_of(database, client, school_id, source)
        condition = Condition(if_match)
        work = singles.withdraw_one(database, clock, sender, own_id, single=single, condition=condition)
        response.headers["ETag"] = (await _answered(work)).tag


def _record(body: bytes, single: Single, own_id: str) -> Record:
    """The record of a body, which need not repeat the id of the address.

    Raises:
        Problem: 422, it is none, or another one.
    """
    try:
        stated = orjson.loads(body)
    except orjson.JSONDecodeError:
        stated = None
    if not isinstance(stated, dict):
        fault = Fault("", Code.BAD_JSON, rejections.text(Code.BAD_JSON, "en"))
        raise Problem(422, "invalid_body", "The body is no JSON object.", errors=[fault])
    try:
        record = MODELS[single.kind].model_validate({single.key: own_id} | stated, extra="forbid")
    except ValidationError as error:
        raise _refused(rejections.faults_of(error)) from None
    if record.key()[0] != own_id.strip():
        fault = Fault(f"/{single.key}", "other_id", "The body names another id than the address.")
        raise Problem(422, "record_refused", "The body names another record than the address.", errors=[fault])
    return record
