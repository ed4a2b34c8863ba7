"""Canaries: a synthetic result of each school goes the whole way of a result, so that a closed way is noticed.

It is made of the school's id alone, is kept apart from people and results, and every event about it says what it is.
Only the way to the screen is flown: paper needs a person at a printer, who would have to print and throw away a sheet
every hour; what waits for paper is watched by the publisher's ladder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import Publishable
from chassis.timers import DueLoop
from contracts.base import PersonId, ResultId, SchoolId, StudentId, SubjectId
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.synthetic import synthetic_id
from contracts.values import Period, PeriodKind, Subject

ROUND = 200

_NEW = "INSERT INTO canaries (school_id) SELECT school_id FROM schools ON CONFLICT DO NOTHING"
_FLY = """
WITH due AS (
    SELECT school_id FROM canaries WHERE sent_at IS NULL OR sent_at <= $1::timestamptz - $2::interval
    ORDER BY sent_at NULLS FIRST, school_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE canaries c SET revision = c.revision + 1, sent_at = $1 FROM due d WHERE c.school_id = d.school_id
RETURNING c.school_id, c.revision, c.sent_at
"""
_NEXT = """
SELECT extract(epoch FROM min(coalesce(sent_at + $2::interval, $1)) - $1)::float8 FROM canaries
"""
_AFTER = """
SELECT school_id, revision, sent_at FROM canaries WHERE school_id > $1 AND revision > 0
ORDER BY school_id LIMIT $2 FOR UPDATE
"""


@dataclass(frozen=True, slots=True)
class Canary:
    """A flight: of which school, which one, and when it began."""

    school_id: UUID
    revision: int
    sent_at: datetime


def canaries(database: Database, clock: Clock, every_seconds: float) -> DueLoop:
    """The loop that lets them fly; 0 seconds: never."""
    every = timedelta(seconds=every_seconds)

    async def work() -> int:
        if not every:
            return 0
        async with database.transaction(DISTRICT) as conn:
            now = await clock.now(conn)
            await conn.execute(_NEW)
            flown = [Canary(*row) for row in await conn.fetch(_FLY, now, every, ROUND)]
            await outbox.publish(conn, events(flown))
            crash_here("gradebook.after_canaries_before_commit")
        return len(flown)

    async def next_due() -> float | None:
        if not every:
            return None
        async with database.transaction(DISTRICT) as conn:
            seconds: float | None = await conn.fetchval(_NEXT, await clock.now(conn), every)
        return seconds

    # A school that has just become known is seen within this time.
    return DueLoop("gradebook.canaries", work, next_due, idle_seconds=60)


async def events_after(conn: Connection, after: UUID, limit: int) -> tuple[Sequence[Publishable], list[UUID]]:
    """The last flight of each school in the order of their ids, for a replay; and the schools."""
    flown = [Canary(*row) for row in await conn.fetch(_AFTER, after, limit)]
    return events(flown), [one.school_id for one in flown]


def events(flown: Sequence[Canary]) -> list[Publishable]:
    """What is told of flights: the student, the representative, and the result. They follow from the flight alone."""
    told: list[Publishable] = []
    for one in flown:
        told += [_representative(one), _student(one), _result(one)]
    return told


def _representative(one: Canary) -> PersonChanged:
    return PersonChanged(
        revision=one.revision,
        person_id=PersonId(synthetic_id("representative", one.school_id)),
        roles=[Role.REPRESENTATIVE],
        school_ids=[SchoolId(synthetic_id("school", one.school_id))],
        name=PersonName(family="Проба", given="Представитель"),
        changed_at=one.sent_at,
        synthetic=True,
    )


def _student(one: Canary) -> PersonChanged:
    school_id = SchoolId(synthetic_id("school", one.school_id))
    representative = PersonId(synthetic_id("representative", one.school_id))
    return PersonChanged(
        revision=one.revision,
        person_id=PersonId(synthetic_id("student", one.school_id)),
        roles=[Role.STUDENT],
        school_ids=[school_id],
        name=PersonName(family="Проба", given="Ученик"),
        enrolment=Enrolment(
            school_id=school_id,
            class_id=None,
            class_name="",
            grade_level=None,
            representatives=[Representation(representative_id=representative, kind="other", in_force=True)],
        ),
        changed_at=one.sent_at,
        synthetic=True,
    )


def _result(one: Canary) -> FinalGradeSet:
    year = one.sent_at.year
    return FinalGradeSet(
        revision=one.revision,
        result_id=ResultId(synthetic_id("result", one.school_id)),
        value_revision=one.revision,
        school_id=SchoolId(synthetic_id("school", one.school_id)),
        student_id=StudentId(synthetic_id("student", one.school_id)),
        subject=Subject(id=SubjectId(synthetic_id("subject", one.school_id)), title="Проба"),
        period=Period(
            kind=PeriodKind.YEAR,
            number=1,
            school_year=f"{year}/{year + 1}",
            starts_on=date(year, 1, 1),
            ends_on=date(year, 12, 31),
        ),
        state="set",
        value="5" if one.revision % 2 else "4",
        held=False,
        obtained_at=one.sent_at,
        recorded_at=one.sent_at,
        synthetic=True,
    )
