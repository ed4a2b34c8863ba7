"""The feed of changes for systems that follow the journal."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from services.gradebook import changes
from services.gradebook.api.common import Caller, Limit
from services.gradebook.api.describing import problems
from services.gradebook.changes import Cursor, read_cursor
from services.gradebook.settings import Settings
from services.gradebook.singles import SINGLES

_PATHS = {single.identity: name for name, single in SINGLES.items()}
After = Annotated[
    str | None, Query(max_length=200, description="`next` of the page before; from the beginning without.")
]


class ChangeAnswer(BaseModel):
    """Something has a new revision."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    kind: str
    """Such as `mark`, `final_grade`, `person`; there may be new kinds."""
    id: str | None
    """The journal's own id."""
    source: str | None
    """The namespace of that id."""
    our_id: UUID
    school_id: UUID | None
    """Null for persons, whom several schools may know."""
    revision: int
    state: str | None
    """As of this revision; null for kinds that have none."""
    changed_at: datetime
    link: str | None
    """Where it can be read as it is now; null for kinds that are read as lists."""


class ChangesAnswer(BaseModel):
    """A page of the feed."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[ChangeAnswer]
    next: str
    """Where the next page begins, now or later; it is given at the end too."""
    more: bool
    """Whether there was more than fits in the page."""


def add_changes(router: APIRouter, database: Database, clock: Clock, settings: Settings, caller: Caller) -> None:
    """The endpoint."""

    @router.get(
        "/changes",
        operation_id="list_changes",
        summary="What has changed",
        description=(
            "Every new revision of what the client may see, once it is certain that nothing can come in before it. "
            "One thing may come several times: the highest revision holds. Changes are kept for "
            f"{settings.changes_keep_days:g} days; 410 `cursor_expired`: the cursor is older, so export all and begin "
            "anew. Subjects and periods have no revisions and are not in it."
        ),
        responses=problems(410),
    )
    async def listed(client: caller, after: After = None, limit: Limit = 100) -> ChangesAnswer:
        begin = _cursor(after)
        async with database.transaction(client.scope()) as conn:
            now = await clock.now(conn)
            if begin.given_at is not None and begin.given_at < now - timedelta(days=settings.changes_keep_days):
                told = "Метка старше, чем хранятся изменения: выгрузите всё заново."
                raise Problem(410, "cursor_expired", "The cursor is older than what is kept; begin anew.", told)
            page = await changes.page(conn, begin, limit, school_id=client.school_id, now=now)
        items = [ChangeAnswer.model_validate(_item(change)) for change in page.items]
        return ChangesAnswer(items=items, next=page.next.written(), more=page.more)


def _cursor(after: str | None) -> Cursor:
    if after is None:
        return Cursor()
    try:
        return read_cursor(after)
    except ValueError:
        raise Problem(422, "bad_cursor", "The cursor is not the `next` of a page.") from None


def _item(change: changes.Change) -> dict[str, Any]:
    link = None
    if change.kind in _PATHS and change.external_id is not None and change.source is not None:
        name = quote(change.external_id, safe="")
        where = f"/v1/schools/{change.school_id}/{_PATHS[change.kind]}/{name}"
        link = f"{where}?source={quote(change.source, safe='')}"
    return {
        "kind": change.kind,
        "id": change.external_id,
        "source": change.source,
        "our_id": change.aggregate_id,
        "school_id": change.school_id,
        "revision": change.revision,
        "state": change.state,
        "changed_at": change.changed_at,
        "link": link,
    }
