"""What the endpoints share: who calls and for which school, ids as journals have them, cursors, days."""

import base64
import binascii
from collections.abc import Awaitable
from datetime import date
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from chassis.auth import Client
from chassis.database import Database
from chassis.problems import Problem
from services.gradebook import handlers
from services.gradebook.closing.refusals import Refusal, Refused

Source = Annotated[str, Query(max_length=100, pattern=r"^[\w.:-]+$", description="The namespace of the journal's ids.")]
From = Annotated[date | None, Query(alias="from", description="The first day.")]
To = Annotated[date | None, Query(description="The last day.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most items of a page.")]

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A part of a list, and where the next one begins."""

    items: list[T]
    next: str | None
    """Null at the end."""


async def sender_of(database: Database, client: Client, school_id: UUID, source: str) -> handlers.Sender:
    """For whom the client sends.

    Raises:
        Problem: 403 or 404, it is another school's client, or there is no such school.
    """
    client.require_school(school_id)
    if not await handlers.school_exists(database, client.scope(), school_id):
        raise Problem(404, "unknown_school", "There is no such school; import it first.")
    return handlers.Sender(
        source, school_id, of_district=client.school_id is None, changed_by=f"client:{client.client_id}"
    )


def write_cursor(day: date, last: UUID) -> str:
    """Where the page after this item begins."""
    return base64.urlsafe_b64encode(f"{day.isoformat()}/{last}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[date, UUID] | None:
    """The item after which a page begins.

    Raises:
        Problem: 422, it is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        day, _, last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("/")
        return date.fromisoformat(day), UUID(last)
    except (binascii.Error, ValueError):
        raise Problem(422, "bad_cursor", "The cursor is not the `next` of a page.") from None


_MISSING = {
    Refusal.UNKNOWN_SCHOOL,
    Refusal.UNKNOWN_PERIOD,
    Refusal.UNKNOWN_CLASS,
    Refusal.UNKNOWN_STUDENT,
    Refusal.UNKNOWN_SUBJECT,
    Refusal.UNKNOWN_DEFERRAL,
    Refusal.UNKNOWN_RESULT,
}
_INVALID = {Refusal.REASON_NEEDED, Refusal.BAD_REASON, Refusal.BAD_DUE_DATE}


async def answered(work: Awaitable[T]) -> T:
    """What a use case gives.

    Raises:
        Problem: it was refused: 404, 409 or 422.
    """
    try:
        return await work
    except Refused as refused:
        status = 404 if refused.code in _MISSING else 422 if refused.code in _INVALID else 409
        raise Problem(status, refused.code.value, refused.text("en"), refused.text("ru")) from refused


Caller = Any
"""The annotation under which an endpoint gets its client: it holds the database, so it is made with the router."""
