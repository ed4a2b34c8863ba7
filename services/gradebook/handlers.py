"""Use cases of the HTTP API: one transaction each, with the events of what it changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, Scope, school
from services.gradebook import domain, metrics, queries, roster_queries
from services.gradebook.closing.fulfilling import closed_rule, resolve
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.control_works import Clash
from services.gradebook.domain import FinalGrade, Identity
from services.gradebook.events import final_grade_event
from services.gradebook.records import Record, RecordKind
from services.gradebook.rejections import Fault
from services.gradebook.taking import Outcome, Placed, Taking, take
from services.gradebook.taking.journal import judge_control_works
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
    changed_by: str = ""
    """Who sends them, for the history: a client, never a name."""

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
        outcome = await take(conn, kind, await taking_for(conn, clock, sender), rows)
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
        taking = await taking_for(conn, clock, sender)
        ids = taking.identity.of_each("final_grade", external_ids)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        ids |= await _meant(conn, ids)
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
        taking = await taking_for(conn, clock, sender)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        held = await queries.held_grades_of_class(
            conn, taking.identity.of("period", period_id), taking.identity.of("group", class_id)
        )
        own = _of_school(held, sender.school_id)
        released = await _change(conn, own.values(), domain.release_final_grade, taking.now)
    crash_here("gradebook.after_commit")
    return released


async def withdraw_result(database: Database, clock: Clock, sender: Sender, external_id: str) -> bool:
    """Takes a final grade back; it stays in the history. False: it is not recorded for this school.

    Raises:
        Refused: its period is closed.
    """
    async with database.transaction(sender.scope()) as conn:
        taking = await taking_for(conn, clock, sender)
        await queries.lock(conn, f"final_grades/{sender.school_id}")
        result_id = taking.identity.of("final_grade", external_id)
        result_id = (await _meant(conn, {external_id: result_id}))[external_id]
        known = _of_school(await queries.final_grades(conn, [result_id]), sender.school_id)
        closed = await closed_rule(conn, sender.school_id, list(known.values()), set())
        if any(closed(grade) is not None for grade in known.values()):
            raise Refused(Refusal.PERIOD_CLOSED)
        await _change(conn, known.values(), domain.take_back_final_grade, taking.now)
    crash_here("gradebook.after_commit")
    return bool(known)


async def resolve_ids(
    database: Database, scope: Scope, source: str, *, kind: str, external_ids: Sequence[str]
) -> dict[str, UUID]:
    """Our ids of what the scope may see, by the journal's; `kind` is one of `roster_queries.KNOWN`."""
    async with database.transaction(scope) as conn:
        identity = Identity(await queries.identity_key(conn), source)
        ids = identity.of_each(kind, external_ids)
        known = await roster_queries.known_ids(conn, kind, list(ids.values()))
    return {name: our_id for name, our_id in ids.items() if our_id in known}


async def resolve_persons(
    database: Database, scope: Scope, source: str, external_ids: Sequence[str]
) -> dict[str, UUID]:
    """Our ids of the persons that the scope may see, by the journal's."""
    return await resolve_ids(database, scope, source, kind="person", external_ids=external_ids)


async def check_control_works(
    database: Database, clock: Clock, sender: Sender, rows: Sequence[Placed[Any]]
) -> tuple[list[tuple[str, Clash]], list[tuple[int, Fault]]]:
    """How control works would clash if they were sent, and why some cannot be judged; nothing is saved.

    Returns:
        The journal's id of each that clashes, with how; and by place what is wrong with the others.
    """
    async with database.transaction(sender.scope()) as conn:
        return await judge_control_works(conn, await taking_for(conn, clock, sender), rows)


async def _meant(conn: Connection, ids: Mapping[str, UUID]) -> dict[str, UUID]:
    """The results that these ids mean, once a deferral has told of them under another one."""
    found = await resolve(conn, list(ids.values()))
    return {name: found[result_id] for name, result_id in ids.items()}


async def taking_for(conn: Connection, clock: Clock, sender: Sender) -> Taking:
    """For whom and when this transaction takes records."""
    return Taking(
        identity=Identity(await queries.identity_key(conn), sender.source),
        source=sender.source,
        school_id=sender.school_id,
        client_school_id=None if sender.of_district else sender.school_id,
        now=await clock.now(conn),
        changed_by=sender.changed_by,
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
