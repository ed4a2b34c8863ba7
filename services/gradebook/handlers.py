"""Use cases of the HTTP API: one transaction each, with the events of what it changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, Scope, school
from services.gradebook import domain, metrics, queries, roster_queries
from services.gradebook.domain import FinalGrade, Identity
from services.gradebook.events import final_grade_event
from services.gradebook.records import Record, RecordKind
from services.gradebook.taking import Outcome, Placed, Taking, take
from services.gradebook.taking.results import watch


@dataclass(frozen=True)
class Sender:
    """On whose behalf records are sent."""

    source: str
    """The namespace of the journal's ids."""
    school_id: UUID
    """The school that they are about."""
    of_district: bool
    """Whether the district sends them, which may also state what other schools know."""

    def scope(self) -> Scope:
        """What the transaction may see."""
        return DISTRICT if self.of_district else school(self.school_id)


async def take_records(
    database: Database, clock: Clock, sender: Sender, kind: RecordKind, rows: Sequence[Placed[Record]]
) -> Outcome:
    """Takes marks, grades, exam results, people, groups, members or representatives of one school.

    A record with a known id is a correction, one with `state` withdrawn takes it back, one that says the same as before
    changes nothing.
    """
    async with database.transaction(sender.scope()) as conn:
        outcome = await take(conn, kind, await _taking(conn, clock, sender), rows)
    crash_here("gradebook.after_commit")
    metrics.count_outcome(kind, outcome)
    return outcome


async def school_exists(database: Database, scope: Scope, school_id: UUID) -> bool:
    """Whether the school is known."""
    async with database.transaction(scope) as conn:
        return await roster_queries.school_exists(conn, school_id)


@dataclass(frozen=True)
class Released:
    """What a release did."""

    released: int
    unknown: list[str]
    """The journal's ids of results that are not recorded for this school."""


async def release_results(database: Database, clock: Clock, sender: Sender, external_ids: Sequence[str]) -> Released:
    """The head lets final grades go that waited for the council; those that do not wait stay as they are."""
    async with database.transaction(sender.scope()) as conn:
        taking = await _taking(conn, clock, sender)
        ids = taking.identity.of_each("final_grade", external_ids)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        known = _of_school(await queries.final_grades(conn, list(ids.values())), sender.school_id)
        released = await _change(conn, known.values(), domain.release_final_grade, taking.now)
    crash_here("gradebook.after_commit")
    return Released(released, sorted(name for name, result_id in ids.items() if result_id not in known))


async def release_class(database: Database, clock: Clock, sender: Sender, *, period_id: str, class_id: str) -> int:
    """The head lets all final grades of a class for a period go.

    Args:
        database: the gradebook's.
        clock: tells when.
        sender: for whom.
        period_id: the journal's id of the period.
        class_id: the journal's id of the class (or any group).

    Returns:
        How many were waiting.
    """
    async with database.transaction(sender.scope()) as conn:
        taking = await _taking(conn, clock, sender)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        held = await queries.held_grades_of_class(
            conn, taking.identity.of("period", period_id), taking.identity.of("group", class_id)
        )
        own = _of_school(held, sender.school_id)
        released = await _change(conn, own.values(), domain.release_final_grade, taking.now)
    crash_here("gradebook.after_commit")
    return released


async def withdraw_result(database: Database, clock: Clock, sender: Sender, external_id: str) -> bool:
    """Takes a final grade back; it stays in the history. False: it is not recorded for this school."""
    async with database.transaction(sender.scope()) as conn:
        taking = await _taking(conn, clock, sender)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        result_id = taking.identity.of("final_grade", external_id)
        known = _of_school(await queries.final_grades(conn, [result_id]), sender.school_id)
        await _change(conn, known.values(), domain.withdraw_final_grade, taking.now)
    crash_here("gradebook.after_commit")
    return bool(known)


async def resolve_persons(
    database: Database, scope: Scope, source: str, external_ids: Sequence[str]
) -> dict[str, UUID]:
    """Our ids of the persons that the scope may see, by the journal's."""
    async with database.transaction(scope) as conn:
        identity = Identity(await queries.identity_key(conn), source)
        ids = identity.of_each("person", external_ids)
        known = await roster_queries.known_persons(conn, list(ids.values()))
    return {name: person_id for name, person_id in ids.items() if person_id in known}


async def _taking(conn: Connection, clock: Clock, sender: Sender) -> Taking:
    return Taking(
        identity=Identity(await queries.identity_key(conn), sender.source),
        source=sender.source,
        school_id=sender.school_id,
        client_school_id=None if sender.of_district else sender.school_id,
        now=await clock.now(conn),
    )


def _of_school(grades: Mapping[UUID, FinalGrade], school_id: UUID) -> dict[UUID, FinalGrade]:
    return {result_id: grade for result_id, grade in grades.items() if grade.school_id == school_id}


async def _change(
    conn: Connection,
    grades: Iterable[FinalGrade],
    rule: Callable[[FinalGrade, datetime], FinalGrade | None],
    now: datetime,
) -> int:
    changed = [following for grade in grades if (following := rule(grade, now)) is not None]
    if not changed:
        return 0
    await queries.update_final_grades(conn, changed)
    await watch(conn, "final_grade", changed)
    crash_here("gradebook.after_facts_before_outbox")
    titles = await queries.subjects(conn, list({grade.subject_id for grade in changed}))
    periods = await queries.periods(conn, list({grade.period_id for grade in changed}))
    await outbox.publish(
        conn,
        [final_grade_event(grade, titles[grade.subject_id], periods[grade.period_id][1]) for grade in changed],
    )
    crash_here("gradebook.after_outbox_before_commit")
    return len(changed)
