"""Taking schools, subjects and periods."""

from collections.abc import Sequence

import asyncpg

from chassis import outbox
from chassis.database import Connection
from contracts.school_changed import SchoolChanged
from services.gradebook import composing, journal_composing, queries, roster_queries
from services.gradebook.oneroster_model import DISTRICT_ORG, NO_SUBJECT
from services.gradebook.records import PeriodRecord, SchoolRecord, SubjectRecord
from services.gradebook.rejections import Code
from services.gradebook.taking.common import Outcome, Placed, R, Taking, in_home, only_first, tally


def _unreserved(rows: Sequence[Placed[R]], outcome: Outcome, reserved: str) -> list[Placed[R]]:
    """Those that are not called as OneRoster calls here what the journal has not: nobody could tell them apart."""
    kept = []
    for row in rows:
        if row.record.key()[0] == reserved:
            outcome.reject(row.place, Code.BAD_VALUE, row.record.KEY[0])
        else:
            kept.append(row)
    return kept


async def take_schools(conn: Connection, taking: Taking, rows: Sequence[Placed[SchoolRecord]]) -> Outcome:
    """Takes schools; a school's client may restate its own only."""
    outcome = Outcome()
    rows = _unreserved(only_first(rows, outcome), outcome, f"{DISTRICT_ORG}.{taking.source}")
    if taking.client_school_id is not None:
        rows = in_home(rows, taking, outcome, lambda record: record.school_id)
    if not rows:
        return outcome
    await queries.lock(conn, "schools")
    given = [(taking.identity.of("school", r.school_id), r.school_id, r.name, r.address, r.time_zone) for _, r in rows]
    found = await roster_queries.upsert_schools(conn, given, taking.source, taking.now)
    states = {row["school_id"]: row for row in found if row["answer"] == "known"}
    states |= {row["school_id"]: row for row in found if row["answer"] != "known"}
    keys = [row[0] for row in given]
    different = tally(rows, keys, {key: row["answer"] for key, row in states.items()}, outcome)
    await outbox.publish(conn, [school_event(states[keys[position]]) for position in different])
    return outcome


def school_event(row: asyncpg.Record) -> SchoolChanged:
    """The event of a school's present revision."""
    return SchoolChanged(
        revision=row["revision"],
        school_id=row["school_id"],
        name=row["name"],
        address=row["address"],
        time_zone=row["time_zone"],
        changed_at=row["changed_at"],
    )


async def take_subjects(conn: Connection, taking: Taking, rows: Sequence[Placed[SubjectRecord]]) -> Outcome:
    """Takes subjects. A new title shows in the events of the groups that learn the subject."""
    outcome = Outcome()
    rows = _unreserved(only_first(rows, outcome), outcome, f"{NO_SUBJECT}.{taking.source}")
    if not rows:
        return outcome
    await queries.lock(conn, "roster")
    given = [(taking.identity.of("subject", r.subject_id), r.subject_id, r.title) for _, r in rows]
    answers = await roster_queries.upsert_subjects(conn, given, taking.client_school_id, taking.source)
    keys = [row[0] for row in given]
    tally(rows, keys, answers, outcome)
    renamed = [key for key in keys if answers.get(key) == "changed"]
    if renamed:
        await roster_queries.see_whole_district(conn)
        groups = await composing.groups_of_subjects(conn, renamed)
        await outbox.publish(conn, await composing.compose_groups(conn, groups, taking.now))
        await queries.lock(conn, "timetables")
        shown = await journal_composing.groups_with_slots(conn, renamed)
        await outbox.publish(conn, await journal_composing.compose_timetables(conn, shown, taking.now))
    return outcome


async def take_periods(conn: Connection, taking: Taking, rows: Sequence[Placed[PeriodRecord]]) -> Outcome:
    """Takes the periods of a school."""
    outcome = Outcome()
    rows = in_home(only_first(rows, outcome), taking, outcome, lambda record: record.school_id)
    if not rows:
        return outcome
    if not await roster_queries.school_exists(conn, taking.home()):
        for row in rows:
            outcome.reject(row.place, Code.ORPHAN_ROW, "school_id")
        return outcome
    await queries.lock(conn, "roster")
    given = [
        (
            taking.identity.of("period", r.period_id),
            r.period_id,
            str(r.kind),
            r.number,
            r.school_year,
            r.starts_on,
            r.ends_on,
        )
        for _, r in rows
    ]
    answers = await roster_queries.upsert_periods(conn, given, taking.home(), taking.source)
    tally(rows, [row[0] for row in given], answers, outcome)
    return outcome
