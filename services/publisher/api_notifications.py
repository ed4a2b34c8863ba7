"""HTTP: what people prefer, and the delivery log for operators, desks and, through the cabinet, for a parent's own."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import Connection, Database
from chassis.describing import problems
from chassis.problems import Fault, Problem
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import (
    CRITICAL,
    DEFAULTS,
    Channel,
    Kind,
    Mode,
    Preferences,
    QuietHours,
    Refusal,
    next_digest,
    refusals,
)
from services.publisher.queries import delivery, digests, preferences
from services.publisher.queries.delivery import Entry

Modes = Mapping[Kind, Mapping[Channel, Mode]]

REASONS: Mapping[str, str] = {
    "critical_is_not_for_digests": "Такие новости приходят сразу или не приходят по этому каналу. / "
    "News of this kind come at once or not by this channel.",
    "critical_off_everywhere": "Хотя бы один из разрешённых каналов должен остаться включённым. / "
    "At least one of the channels that consent allows has to stay on.",
}


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class EntryView(_Answer):
    """One state that a message was in."""

    entry_id: int
    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    at: datetime
    state: str
    channel: str
    occasion: str
    """`results`, `news` or `digest`."""
    reason: str | None
    attempt: int
    actor: str | None
    """Who decided, where a person did; not told to families."""
    note: str | None
    """Why they decided so; not told to families."""
    fell_from: UUID | None
    """The message by the failed channel in whose place this one came."""


class LogPage(_Answer):
    """A page of the delivery log, newest first."""

    items: list[EntryView]
    next_before: int | None
    """`before` of the next page; absent on the last one."""


# JSON Schema's `time` has an offset (RFC 3339), and these are of the school's clock.
SchoolTime = Annotated[
    time, WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"})
]


class QuietView(BaseModel):
    """Hours in which nobody is disturbed, in the school's time zone; the same twice: none."""

    model_config = ConfigDict(extra="forbid")

    starts: SchoolTime
    ends: SchoolTime

    @model_validator(mode="after")
    def _local(self) -> "QuietView":
        if self.starts.tzinfo or self.ends.tzinfo:
            raise ValueError("times of the school's clock, without an offset")
        return self


class ChosenView(BaseModel):
    """A whole choice; what is left out follows the defaults."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    revision: int = Field(ge=0)
    """The one that was read; another one by now is a conflict."""
    modes: dict[Kind, dict[Channel, Mode]] = Field(default_factory=dict)
    quiet: QuietView | None = None
    digest_hour: int | None = Field(default=None, ge=0, le=23)
    digest_weekday: int | None = Field(default=None, ge=1, le=7)


class PreferencesView(BaseModel):
    """What holds for a recipient and a child."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    revision: int
    """0: nothing was ever chosen."""
    allowed: list[Channel]
    """The channels that consent allows now."""
    modes: dict[Kind, dict[Channel, Mode]]
    """All of them, the defaults too."""
    critical: list[Kind]
    """Those that cannot be switched off on every channel."""
    quiet: QuietView
    digest_hour: int
    digest_weekday: int
    time_zone: str


Before = Annotated[int | None, Query(ge=1, description="Entries before this one: `next_before` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]


def make_notifications_router(database: Database, clock: Clock, policy: Policy) -> APIRouter:
    """The routes of preferences and of the delivery log."""
    router = APIRouter(prefix="/v1", tags=["notifications"])
    _add_logs(router, database)
    _add_preferences(router, database, clock, policy)
    return router


def _add_logs(router: APIRouter, database: Database) -> None:
    auth = client_auth(database)

    @router.get("/schools/{school_id}/notifications")
    async def of_school(
        school_id: UUID, client: Annotated[Client, Depends(auth)], before: Before = None, limit: Limit = 100
    ) -> LogPage:
        """What became of the messages about a school's students."""
        async with database.transaction(client.require_school(school_id)) as conn:
            rows = await delivery.log_of_school(conn, school_id, before=before or delivery.NEWEST, limit=limit)
        return _page(rows, limit)

    @router.get("/students/{student_id}/notifications")
    async def of_student(
        student_id: UUID, client: Annotated[Client, Depends(auth)], before: Before = None, limit: Limit = 100
    ) -> LogPage:
        """What became of the messages about a student; a school's client sees its own school's."""
        async with database.transaction(client.scope()) as conn:
            rows = await delivery.log_of_student(conn, student_id, before=before or delivery.NEWEST, limit=limit)
        return _page(rows, limit)

    @router.get("/notifications/{notification_id}/log")
    async def of_notification(
        notification_id: UUID, client: Annotated[Client, Depends(auth)], before: Before = None, limit: Limit = 100
    ) -> LogPage:
        """Every state that one message was in; a school's client sees its own school's."""
        async with database.transaction(client.scope()) as conn:
            rows = await delivery.log_of_notification(
                conn, notification_id, before=before or delivery.NEWEST, limit=limit
            )
        if not rows and before is None:
            raise Problem(404, "unknown_notification", "Такого сообщения нет. / No such message is known here.")
        return _page(rows, limit)

    @router.get("/people/{person_id}/notifications")
    async def of_person(
        person_id: UUID, client: Annotated[Client, Depends(auth)], before: Before = None, limit: Limit = 100
    ) -> LogPage:
        """What became of the messages to a person. For the cabinet, which asks on behalf of that person."""
        async with database.transaction(client.require_district()) as conn:
            rows = await delivery.log_of_recipient(conn, person_id, before=before or delivery.NEWEST, limit=limit)
        page = _page(rows, limit)
        for item in page.items:
            # An operator's name and words are the staff's affair.
            item.actor = item.note = None
        return page


def _add_preferences(router: APIRouter, database: Database, clock: Clock, policy: Policy) -> None:
    auth = client_auth(database)
    path = "/people/{recipient_id}/children/{student_id}/preferences"

    @router.get(path)
    async def read(recipient_id: UUID, student_id: UUID, client: Annotated[Client, Depends(auth)]) -> PreferencesView:
        """What a recipient is told about a child, how and when. For the cabinet, on behalf of the recipient."""
        async with database.transaction(client.require_district()) as conn:
            return await _view(conn, (student_id, recipient_id), clock, policy)

    @router.put(path, responses=problems(409))
    async def choose(
        recipient_id: UUID, student_id: UUID, chosen: ChosenView, client: Annotated[Client, Depends(auth)]
    ) -> PreferencesView:
        """Takes a whole choice. Critical news cannot be off on every channel that consent allows."""
        pair = (student_id, recipient_id)
        async with database.transaction(client.require_district()) as conn:
            if await preferences.lock(conn, recipient_id, student_id) != chosen.revision:
                raise _changed_meanwhile()
            now = await clock.now(conn)
            allowed = await preferences.channels_allowed(conn, [pair], now, policy)
            wanted = _read(chosen)
            _refuse(refusals(wanted, allowed.get(pair, ())))
            if await preferences.keep(conn, pair, wanted, now) != chosen.revision + 1:
                # Two first choices at once: there was nothing yet to lock.
                raise _changed_meanwhile()
            wishes = (await preferences.of_pairs(conn, [pair]))[pair]
            await digests.reschedule(conn, pair, next_digest(now, zone=wishes.zone, hour=wishes.digest_hour(policy)))
            return await _view(conn, pair, clock, policy)


async def _view(conn: Connection, pair: tuple[UUID, UUID], clock: Clock, policy: Policy) -> PreferencesView:
    if not await preferences.knows(conn, pair):
        raise Problem(404, "unknown_pair", "Такой связи нет. / This person has nothing to do with this student.")
    now = await clock.now(conn)
    allowed = (await preferences.channels_allowed(conn, [pair], now, policy)).get(pair, frozenset())
    wishes = (await preferences.of_pairs(conn, [pair]))[pair]
    quiet = wishes.quiet(policy)
    return PreferencesView(
        revision=wishes.preferences.revision,
        allowed=sorted(allowed),
        modes={kind: {channel: wishes.preferences.mode(kind, channel) for channel in DEFAULTS[kind]} for kind in Kind},
        critical=sorted(CRITICAL),
        quiet=QuietView(starts=quiet.starts, ends=quiet.ends),
        digest_hour=wishes.digest_hour(policy),
        digest_weekday=wishes.digest_weekday(policy),
        time_zone=wishes.zone,
    )


def _changed_meanwhile() -> Problem:
    return Problem(409, "changed_meanwhile", "Настройки уже изменены. / The preferences were changed meanwhile.")


def _read(chosen: ChosenView) -> Preferences:
    return Preferences(
        {(kind, channel): mode for kind, channels in chosen.modes.items() for channel, mode in channels.items()},
        QuietHours(chosen.quiet.starts, chosen.quiet.ends) if chosen.quiet else None,
        chosen.digest_hour,
        chosen.digest_weekday,
    )


def _refuse(found: list[Refusal]) -> None:
    if found:
        raise Problem(
            422,
            "preferences_refused",
            "Такой выбор невозможен. / This choice cannot be taken.",
            errors=[
                Fault(
                    f"/modes/{one.kind}/{one.channel}" if one.channel else f"/modes/{one.kind}",
                    one.code,
                    REASONS[one.code],
                )
                for one in found
            ],
        )


def _page(rows: list[Entry], limit: int) -> LogPage:
    return LogPage(
        items=[EntryView.model_validate(row) for row in rows],
        next_before=rows[-1].entry_id if len(rows) == limit else None,
    )
