"""Taking people, groups, membership and representation: facts first, then the states that follow from them."""

from collections.abc import Sequence
from uuid import UUID

from chassis import outbox
from chassis.crash import crash_here
from chassis.database import Connection
from contracts.person_changed import Role
from services.gradebook import composing, membership_queries, queries, roster_queries
from services.gradebook.records import GroupRecord, MemberRecord, PersonRecord, RepresentativeRecord
from services.gradebook.rejections import Code
from services.gradebook.taking.common import Outcome, Placed, R, Taking, in_home, only_first, tally


async def take_people(conn: Connection, taking: Taking, rows: Sequence[Placed[PersonRecord]]) -> Outcome:
    """Takes what a school states about people."""
    outcome = Outcome()
    rows = in_home(only_first(rows, outcome), taking, outcome, lambda record: record.school_id)
    if not await _school_is_known(conn, taking, rows, outcome):
        return outcome
    ids = taking.identity.of_each("person", (row.record.person_id for row in rows))
    await queries.lock(conn, "roster")
    ours = await roster_queries.ensure_persons(
        conn,
        [(ids[r.person_id], r.person_id, r.active) for _, r in rows],
        taking.source,
        taking.home(),
        taking.now,
    )
    elsewhere = await _students_elsewhere(conn, taking, [ids[r.person_id] for _, r in rows if r.role == Role.STUDENT])
    rows = [
        row
        for row in rows
        if _kept(
            ids[row.record.person_id] in ours and not (row.record.active and ids[row.record.person_id] in elsewhere),
            row,
            Code.FOREIGN_ID,
            "person_id",
            outcome,
        )
    ]
    if not rows:
        return outcome
    given = [(ids[r.person_id], str(r.role), r.family, r.given, r.patronymic, r.birth_date, r.active) for _, r in rows]
    answers = await roster_queries.upsert_person_records(conn, given, taking.home(), taking.now)
    different = tally(rows, [(row[0], row[1]) for row in given], answers, outcome)
    await _compose(conn, taking, persons=[given[position][0] for position in different])
    return outcome


async def take_groups(conn: Connection, taking: Taking, rows: Sequence[Placed[GroupRecord]]) -> Outcome:
    """Takes a school's groups; a class that is renamed or closed shows in its students' enrolment."""
    outcome = Outcome()
    rows = in_home(only_first(rows, outcome), taking, outcome, lambda record: record.school_id)
    if not await _school_is_known(conn, taking, rows, outcome):
        return outcome
    of_subject = taking.identity.of_each("subject", (r.subject_id for _, r in rows if r.subject_id))
    known = await queries.subjects(conn, list(of_subject.values()))
    rows = [
        row
        for row in rows
        if _kept(
            row.record.subject_id is None or of_subject[row.record.subject_id] in known,
            row,
            Code.ORPHAN_ROW,
            "subject_id",
            outcome,
        )
    ]
    if not rows:
        return outcome
    await queries.lock(conn, "roster")
    given = [
        (
            taking.identity.of("group", r.group_id),
            r.group_id,
            str(r.kind),
            r.name,
            r.grade_level,
            None if r.subject_id is None else of_subject[r.subject_id],
            None if r.campus_id is None else taking.identity.of("campus", r.campus_id),
            r.active,
        )
        for _, r in rows
    ]
    answers = await roster_queries.upsert_groups(conn, given, taking.home(), taking.source, taking.now)
    keys = [row[0] for row in given]
    different = [keys[position] for position in tally(rows, keys, answers, outcome)]
    changed = [key for key in different if answers[key] == "changed"]
    await _compose(conn, taking, groups=different, persons=await composing.members(conn, changed) if changed else [])
    return outcome


async def take_members(conn: Connection, taking: Taking, rows: Sequence[Placed[MemberRecord]]) -> Outcome:
    """Takes who is in which group of a school. Members are students; teachers are none."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    persons = taking.identity.of_each("person", (row.record.person_id for row in rows))
    groups = taking.identity.of_each("group", (row.record.group_id for row in rows))
    students = await roster_queries.students_at(conn, list(persons.values()), taking.home())
    schools = await roster_queries.schools_of_groups(conn, list(groups.values()))
    kept = []
    for row in rows:
        if schools.get(groups[row.record.group_id]) != taking.home():
            outcome.reject(row.place, Code.ORPHAN_ROW, "group_id")
        elif persons[row.record.person_id] not in students:
            outcome.reject(row.place, Code.ORPHAN_ROW, "person_id")
        else:
            kept.append(row)
    if not kept:
        return outcome
    await queries.lock(conn, "roster")
    today = await roster_queries.today_at(conn, taking.home(), taking.now)
    given = [(groups[r.group_id], persons[r.person_id], r.active, r.joined_on, r.left_on) for _, r in kept]
    answers = await membership_queries.upsert_members(conn, given, taking.home(), now=taking.now, today=today)
    different = tally(kept, [(row[0], row[1]) for row in given], answers, outcome)
    await _compose(
        conn,
        taking,
        groups=[given[position][0] for position in different],
        persons=[given[position][1] for position in different],
    )
    return outcome


async def take_representatives(
    conn: Connection, taking: Taking, rows: Sequence[Placed[RepresentativeRecord]]
) -> Outcome:
    """Takes who represents the students of a school; a loss of authority shows at once in the student's event."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    students = taking.identity.of_each("person", (row.record.student_id for row in rows))
    adults = taking.identity.of_each("person", (row.record.representative_id for row in rows))
    at_home = await roster_queries.students_at(conn, list(students.values()), taking.home())
    known = await roster_queries.known_persons(conn, list(adults.values()))
    elsewhere = await _students_elsewhere(conn, taking, list(students.values()))
    kept = []
    for row in rows:
        if students[row.record.student_id] not in at_home:
            outcome.reject(row.place, Code.ORPHAN_ROW, "student_id")
        elif students[row.record.student_id] in elsewhere:
            outcome.reject(row.place, Code.FOREIGN_SCHOOL, "student_id")
        elif adults[row.record.representative_id] not in known:
            outcome.reject(row.place, Code.ORPHAN_ROW, "representative_id")
        else:
            kept.append(row)
    if not kept:
        return outcome
    await queries.lock(conn, "roster")
    given = [(adults[r.representative_id], students[r.student_id], r.kind, r.in_force and r.active) for _, r in kept]
    answers = await roster_queries.upsert_representations(conn, given, taking.now)
    different = tally(kept, [(row[0], row[1]) for row in given], answers, outcome)
    await _compose(conn, taking, persons=[given[position][1] for position in different])
    return outcome


async def _students_elsewhere(conn: Connection, taking: Taking, student_ids: Sequence[UUID]) -> set[UUID]:
    """Students about whom this school's client has no say any more: they study, or studied last, at another school.

    The district may still state them for any school; a transfer back is the district's to make.
    """
    if taking.client_school_id is None or not student_ids:
        return set()
    schools = await roster_queries.schools_of_students(conn, student_ids)
    return {student_id for student_id, school_id in schools.items() if school_id != taking.client_school_id}


def _kept(holds: bool, row: Placed[R], code: Code, field: str, outcome: Outcome) -> bool:
    if not holds:
        outcome.reject(row.place, code, field)
    return holds


async def _school_is_known(conn: Connection, taking: Taking, rows: Sequence[Placed[R]], outcome: Outcome) -> bool:
    if rows and await roster_queries.school_exists(conn, taking.home()):
        return True
    for row in rows:
        outcome.reject(row.place, Code.ORPHAN_ROW, "school_id")
    return False


async def _compose(
    conn: Connection, taking: Taking, *, groups: Sequence[UUID] = (), persons: Sequence[UUID] = ()
) -> None:
    if not groups and not persons:
        return
    crash_here("gradebook.after_facts_before_outbox")
    await roster_queries.see_whole_district(conn)
    await outbox.publish(conn, await composing.compose_groups(conn, groups, taking.now))
    await outbox.publish(conn, await composing.compose_persons(conn, persons, taking.now))
    crash_here("gradebook.after_outbox_before_commit")
