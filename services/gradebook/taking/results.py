"""Taking marks, final grades and exam results: whole batches, a handful of statements each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from chassis import outbox
from chassis.crash import crash_here
from chassis.database import Connection
from chassis.messages import Publishable
from contracts.values import Period, Subject
from services.gradebook import domain, queries, roster_queries
from services.gradebook.closing.fulfilling import JOURNAL, closed_rule, stand_in
from services.gradebook.closing.queries import keep_reasons
from services.gradebook.domain import ExamResult, FinalGrade, Mark
from services.gradebook.events import exam_result_event, final_grade_event, mark_event
from services.gradebook.marking import refusal
from services.gradebook.records import ExamResultRecord, FinalGradeRecord, MarkRecord
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking.circumstances import circumstances
from services.gradebook.taking.common import Outcome, Placed, Taking, only_first

S = TypeVar("S", Mark, FinalGrade, ExamResult)


@dataclass(frozen=True)
class _Book(Generic[S]):
    """How one of the three kinds is read, decided, written and told."""

    load: Callable[[Connection, Sequence[UUID]], Awaitable[dict[UUID, S]]]
    insert: Callable[[Connection, Sequence[S]], Awaitable[set[UUID]]]
    update: Callable[[Connection, Sequence[S]], Awaitable[None]]
    decide: Callable[[S, S], S | None]
    event: Callable[[S], Publishable]
    id_field: str
    judge: "Callable[[Sequence[S]], Awaitable[Callable[[S], Fault | None]]] | None" = None
    """Given every state before and after, makes the rule that says why one of them cannot be."""
    bound_to_school: bool = False
    """Whether the source names the school; other results stay where they were recorded when the student moves."""


def _decide(
    book: _Book[S], current: dict[UUID, S], stated: Sequence[tuple[int, S]], outcome: Outcome
) -> tuple[list[tuple[int, S]], list[tuple[int, S]]]:
    """What is new and what is a next revision, with their places; the rest is unchanged or rejected."""
    new: list[tuple[int, S]] = []
    changed: list[tuple[int, S]] = []
    for place, state in stated:
        present = current.get(state[0])
        if present is None:
            if state.state == "withdrawn":
                outcome.reject(place, Code.ORPHAN_ROW, book.id_field)
            else:
                new.append((place, state))
        elif present.student_id != state.student_id:
            outcome.reject(place, Code.IDENTITY_CHANGED, book.id_field)
        elif book.bound_to_school and present.school_id != state.school_id:
            outcome.reject(place, Code.FOREIGN_ID, book.id_field)
        elif (following := book.decide(present, state)) is None:
            outcome.unchanged += 1
        else:
            changed.append((place, following))
    return new, changed


async def _allowed(
    book: _Book[S], current: dict[UUID, S], decided: Sequence[tuple[int, S]], outcome: Outcome
) -> list[tuple[int, S]]:
    """Those against which no rule speaks: neither against what becomes nor against leaving what was."""
    if book.judge is None or not decided:
        return list(decided)
    involved: list[S] = [current[state[0]] for _, state in decided if state[0] in current]
    involved += [state for _, state in decided]
    fault_of = await book.judge(involved)
    kept = []
    for place, state in decided:
        fault = fault_of(state)
        if fault is None and state[0] in current and (leaving := fault_of(current[state[0]])) is not None:
            fault = leaving if leaving.code is Code.PERIOD_CLOSED else None
        if fault is None:
            kept.append((place, state))
        else:
            outcome.reject(place, fault.code, fault.field)
    return kept


async def _write(conn: Connection, book: _Book[S], stated: Sequence[tuple[int, S]], outcome: Outcome) -> list[S]:
    """Compares with what is recorded, writes what differs and publishes it; returns the changed states."""
    if not stated:
        return []
    new: list[tuple[int, S]]
    current = await book.load(conn, [state[0] for _, state in stated])
    new, following = _decide(book, current, stated, outcome)
    new = await _allowed(book, current, new, outcome)
    changed: list[S] = [state for _, state in await _allowed(book, current, following, outcome)]
    inserted = await book.insert(conn, [state for _, state in new]) if new else set()
    added: list[S] = [state for _, state in new if state[0] in inserted]
    for place, state in new:
        if state[0] not in inserted:
            outcome.reject(place, Code.FOREIGN_ID, book.id_field)
    if changed:
        await book.update(conn, changed)
    outcome.added += len(added)
    outcome.changed += len(changed)
    crash_here("gradebook.after_facts_before_outbox")
    await outbox.publish(conn, [book.event(state) for state in added + changed])
    crash_here("gradebook.after_outbox_before_commit")
    return changed


async def take_marks(conn: Connection, taking: Taking, rows: Sequence[Placed[MarkRecord]]) -> Outcome:
    """Takes marks of a school's students."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    students = taking.identity.of_each("person", (row.record.student_id for row in rows))
    subjects = taking.identity.of_each("subject", (row.record.subject_id for row in rows))
    groups = taking.identity.of_each("group", (row.record.group_id for row in rows if row.record.group_id))
    authors = taking.identity.of_each("person", (row.record.author_id for row in rows if row.record.author_id))
    await queries.lock(conn, f"marks/{taking.home()}")
    at_home = await roster_queries.students_at(conn, list(students.values()), taking.home())
    titles = await queries.subjects(conn, list(subjects.values()))
    schools = await roster_queries.schools_of_groups(conn, list(groups.values())) if groups else {}
    teachers = await roster_queries.teachers_at(conn, list(authors.values()), taking.home()) if authors else set()
    stated = []
    for place, r in rows:
        group_id = None if r.group_id is None else groups[r.group_id]
        if students[r.student_id] not in at_home:
            outcome.reject(place, Code.ORPHAN_ROW, "student_id")
        elif subjects[r.subject_id] not in titles:
            outcome.reject(place, Code.ORPHAN_ROW, "subject_id")
        elif group_id is not None and schools.get(group_id) != taking.home():
            outcome.reject(place, Code.ORPHAN_ROW, "group_id")
        elif r.author_id is not None and authors[r.author_id] not in teachers:
            outcome.reject(place, Code.ORPHAN_ROW, "author_id")
        else:
            stated.append((place, _stated_mark(taking, r, students[r.student_id], subjects[r.subject_id], group_id)))
    book = _Book(
        queries.marks,
        queries.insert_marks,
        queries.update_marks,
        domain.state_mark,
        lambda mark: mark_event(mark, titles[mark.subject_id]),
        "mark_id",
        judge=lambda marks: _judge(conn, taking, marks),
    )
    await _write(conn, book, stated, outcome)
    return outcome


def _stated_mark(taking: Taking, r: MarkRecord, student_id: UUID, subject_id: UUID, group_id: UUID | None) -> Mark:
    return Mark(
        taking.identity.of("mark", r.mark_id),
        taking.home(),
        student_id,
        subject_id,
        group_id,
        taking.source,
        r.mark_id,
        r.lesson_on,
        str(r.work_type),
        r.exact_weight(),
        r.value,
        "recorded" if r.active else "withdrawn",
        taking.now,
        1,
        None if r.lesson_id is None else taking.identity.of("lesson", r.lesson_id),
        None if r.author_id is None else taking.identity.of("person", r.author_id),
        r.comment or None,
        r.reason or None,
        taking.changed_by or None,
    )


async def _judge(conn: Connection, taking: Taking, marks: Sequence[Mark]) -> Callable[[Mark], Fault | None]:
    known = await circumstances(conn, taking, marks)
    return lambda mark: refusal(mark, known)


async def take_final_grades(conn: Connection, taking: Taking, rows: Sequence[Placed[FinalGradeRecord]]) -> Outcome:
    """Takes final grades for a school's periods."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    students = taking.identity.of_each("person", (row.record.student_id for row in rows))
    subjects = taking.identity.of_each("subject", (row.record.subject_id for row in rows))
    periods = taking.identity.of_each("period", (row.record.period_id for row in rows))
    await queries.lock(conn, f"final_grades/{taking.home()}")
    at_home = await roster_queries.students_at(conn, list(students.values()), taking.home())
    titles = await queries.subjects(conn, list(subjects.values()))
    known = await queries.periods(conn, list(periods.values()))
    terms = {period_id: period for period_id, (school_id, period) in known.items() if school_id == taking.home()}
    stated = []
    for place, r in rows:
        if students[r.student_id] not in at_home:
            outcome.reject(place, Code.ORPHAN_ROW, "student_id")
        elif subjects[r.subject_id] not in titles:
            outcome.reject(place, Code.ORPHAN_ROW, "subject_id")
        elif periods[r.period_id] not in terms:
            outcome.reject(place, Code.ORPHAN_ROW, "period_id")
        elif domain.in_future(r.obtained_at, taking.now):
            outcome.reject(place, Code.IN_FUTURE, "obtained_at")
        else:
            ids = students[r.student_id], subjects[r.subject_id], periods[r.period_id]
            stated.append((place, _stated_final_grade(taking, r, *ids)))
    stated, fulfilled = await stand_in(conn, taking.home(), stated, taking.now)
    book = _Book(
        queries.final_grades,
        queries.insert_final_grades,
        queries.update_final_grades,
        lambda current, grade: domain.state_final_grade(current, grade, taking.now),
        lambda grade: final_grade_event(grade, titles[grade.subject_id], terms[grade.period_id]),
        "result_id",
        judge=lambda grades: closed_rule(conn, taking.home(), grades, fulfilled),
        bound_to_school=True,
    )
    await _complete(conn, titles, terms, stated)
    await watch(conn, "final_grade", await _write(conn, book, stated, outcome))
    reasons = {row.place: row.record.reason for row in rows if row.record.reason}
    because = [(grade.result_id, grade.value, reasons[place]) for place, grade in stated if place in reasons]
    await keep_reasons(
        conn,
        taking.home(),
        [(result_id, value, reason) for result_id, value, reason in because if value is not None],
        by=taking.changed_by or JOURNAL,
        at=taking.now,
    )
    return outcome


async def _complete(
    conn: Connection,
    titles: dict[UUID, Subject],
    terms: dict[UUID, Period],
    stated: Sequence[tuple[int, FinalGrade]],
) -> None:
    """A withdrawal keeps the subject and period that are recorded, which may differ from what the statement names."""
    withdrawn = [grade.result_id for _, grade in stated if grade.state == "withdrawn"]
    if not withdrawn:
        return
    current = (await queries.final_grades(conn, withdrawn)).values()
    titles |= await queries.subjects(conn, [grade.subject_id for grade in current])
    found = await queries.periods(conn, [grade.period_id for grade in current])
    terms |= {period_id: period for period_id, (_, period) in found.items()}


def _stated_final_grade(
    taking: Taking, r: FinalGradeRecord, student_id: UUID, subject_id: UUID, period_id: UUID
) -> FinalGrade:
    return FinalGrade(
        taking.identity.of("final_grade", r.result_id),
        taking.home(),
        student_id,
        subject_id,
        period_id,
        taking.source,
        r.result_id,
        "set" if r.active else "withdrawn",
        r.value if r.active else None,
        r.held,
        r.obtained_at,
        r.obtained_at,
        taking.now,
        taking.now,
        1,
        1,
    )


async def take_exam_results(conn: Connection, taking: Taking, rows: Sequence[Placed[ExamResultRecord]]) -> Outcome:
    """Takes exam and competition results of a school's students."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    students = taking.identity.of_each("person", (row.record.student_id for row in rows))
    subjects = taking.identity.of_each("subject", (row.record.subject_id for row in rows))
    await queries.lock(conn, f"exam_results/{taking.home()}")
    at_home = await roster_queries.students_at(conn, list(students.values()), taking.home())
    titles = await queries.subjects(conn, list(subjects.values()))
    stated = []
    for place, r in rows:
        if students[r.student_id] not in at_home:
            outcome.reject(place, Code.ORPHAN_ROW, "student_id")
        elif subjects[r.subject_id] not in titles:
            outcome.reject(place, Code.ORPHAN_ROW, "subject_id")
        elif domain.in_future(r.obtained_at, taking.now):
            outcome.reject(place, Code.IN_FUTURE, "obtained_at")
        else:
            stated.append((place, _stated_exam_result(taking, r, students[r.student_id], subjects[r.subject_id])))
    withdrawn = [exam.result_id for _, exam in stated if exam.state == "withdrawn"]
    if withdrawn:
        current = (await queries.exam_results(conn, withdrawn)).values()
        titles |= await queries.subjects(conn, [exam.subject_id for exam in current])
    book = _Book(
        queries.exam_results,
        queries.insert_exam_results,
        queries.update_exam_results,
        lambda current, exam: domain.state_exam_result(current, exam, taking.now),
        lambda exam: exam_result_event(exam, titles[exam.subject_id]),
        "result_id",
    )
    await watch(conn, "exam_result", await _write(conn, book, stated, outcome))
    return outcome


def _stated_exam_result(taking: Taking, r: ExamResultRecord, student_id: UUID, subject_id: UUID) -> ExamResult:
    score, max_score = r.exact_score()
    return ExamResult(
        taking.identity.of("exam_result", r.result_id),
        taking.home(),
        student_id,
        subject_id,
        taking.source,
        r.result_id,
        r.kind,
        r.title,
        "set" if r.active else "withdrawn",
        score if r.active else None,
        max_score,
        r.grade if r.active else None,
        r.obtained_at,
        r.obtained_at,
        taking.now,
        taking.now,
        1,
        1,
    )


async def watch(conn: Connection, kind: str, changed: Sequence[FinalGrade] | Sequence[ExamResult]) -> None:
    """Watches changed values until a recipient has them; superseded and withdrawn ones no longer."""
    if not changed:
        return
    await queries.await_no_more(
        conn,
        [state.result_id for state in changed],
        [state.value_revision + (state.state == "withdrawn") for state in changed],
    )
    versions = [
        (
            state.result_id,
            state.value_revision,
            state.school_id,
            kind,
            state.obtained_at,
            state.held if isinstance(state, FinalGrade) else False,
        )
        for state in changed
        if state.state == "set"
    ]
    if versions:
        await queries.await_disclosure(conn, versions)
