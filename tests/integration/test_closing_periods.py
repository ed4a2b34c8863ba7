"""Closing a period: who keeps it open and why, closing, what it refuses then, opening again, correcting (C5.1)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.database import DISTRICT, school
from contracts.final_grade_set import FinalGradeSet
from services.gradebook import policy_queries
from services.gradebook.closing import deferring, handlers
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.domain import ClosingState, Gap, Notice, Standing
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.closing.report import ClosingReport
from services.gradebook.policy import SchoolPolicy
from services.gradebook.records import MarkRecord, RecordKind
from services.gradebook.rejections import Code, Fault
from tests.integration.test_gradebook_journal import NOW, Journal, district, journal
from tests.integration.test_gradebook_results import a_grade, send

__all__ = ["district", "journal"]

PLAN = """curriculum_id,group_id,subject_id,period_id,lesson_type,hours
c1,7a,alg,q1,new_material,20
c2,7a,rus,q1,new_material,24
"""
DUE_ON = date(2026, 11, 20)


async def at_school(journal: Journal, number: str = "1", by: str = "head") -> Desk:
    """The head's desk at a school."""
    school_id = await journal.id_of("school", number)
    return Desk(journal.database, journal.clock, school(school_id), school_id, by)


async def period(journal: Journal, name: str = "q1") -> UUID:
    """Our id of a period."""
    found: UUID = await journal.id_of("period", name)
    return found


async def gaps(journal: Journal, report: ClosingReport) -> dict[tuple[str, str], Gap]:
    """Who keeps the period open, by the journal's ids."""
    students = {await journal.id_of("person", name): name for name in ("s1", "s2", "s3", "s4")}
    subjects = {await journal.id_of("subject", name): name for name in ("alg", "rus")}
    return {
        (students[line.situation.student_id], subjects[line.situation.subject_id]): line.gap
        for line in report.missing
        if line.gap is not None
    }


def a_mark(mark_id: str, value: str = "5", **changes: Any) -> MarkRecord:
    """A mark of the first quarter."""
    fields = {
        "mark_id": mark_id,
        "student_id": "s1",
        "subject_id": "rus",
        "lesson_on": "2026-10-12",
        "work_type": "answer",
        "value": value,
    }
    return MarkRecord.model_validate(fields | changes)


@pytest.fixture
async def planned(district: Journal) -> Journal:
    """The small district, whose class 7А has algebra and Russian in the plan of the first quarter."""
    report = await district.take({"curriculum": PLAN})
    assert report.exit_code == 0, report.rejections
    await district.told()
    return district


async def complete(journal: Journal) -> None:
    """Gives everybody the grade that is missing."""
    await send(
        journal,
        RecordKind.FINAL_GRADES,
        a_grade("r1", subject_id="rus"),
        a_grade("r2", student_id="s2", subject_id="rus", value="осв"),
    )


async def test_the_plan_says_who_must_have_a_grade_and_each_gap_says_why(planned: Journal) -> None:
    await send(planned, RecordKind.MARKS, a_mark("k1"))
    report = await handlers.look(await at_school(planned), await period(planned))
    assert await gaps(planned, report) == {("s1", "rus"): Gap.NO_GRADE, ("s2", "rus"): Gap.NO_MARKS}
    (part,) = report.classes
    assert (part.name, part.state, len(part.lines)) == ("7А", ClosingState.OPEN, 4)
    assert [(line.situation.given.value, line.warnings) for line in part.held if line.situation.given] == [
        ("5", (Notice.FEW_MARKS, Notice.HELD))
    ]


async def test_without_a_plan_marks_and_what_groups_are_taught_say_it(district: Journal) -> None:
    await send(district, RecordKind.MARKS, a_mark("k1", student_id="s2"))
    report = await handlers.look(await at_school(district), await period(district))
    assert await gaps(district, report) == {("s2", "rus"): Gap.NO_GRADE}
    assert {line.standing for part in report.classes for line in part.lines if line.gap is None} == {Standing.GRADED}


async def test_grades_stand_beside_the_proposed_ones_with_their_difference(planned: Journal) -> None:
    await send(
        planned,
        RecordKind.MARKS,
        a_mark("k1", "2", weight="1"),
        a_mark("k2", "3", weight="1"),
        a_mark("k3", "3", weight="0.5"),
        a_mark("k4", "зач"),
    )
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus", value="4"))
    report = await handlers.look(await at_school(planned), await period(planned))
    rows = {(row["student"], row["subject"]): row for row in report.as_json()["classes"][0]["lines"]}
    row = rows["s1", "Русский язык"]
    assert (row["marks"], row["mean"], row["proposed"], row["value"], row["difference"]) == (3, "2.60", 3, "4", 1)
    assert row["gap"] is None


async def test_the_borders_in_force_on_the_periods_last_day_make_the_proposed_grade(planned: Journal) -> None:
    desk = await at_school(planned)
    strict = SchoolPolicy.model_validate({"borders": {"three": "2.61", "four": "3.5", "five": "4.5"}})
    async with desk.transaction() as conn:
        await policy_queries.set_policy(
            conn, desk.school_id, valid_from=date(2026, 10, 25), policy=strict, changed_by="head", now=NOW
        )
    await send(planned, RecordKind.MARKS, a_mark("k1", "2"), a_mark("k2", "3"), a_mark("k3", "3", weight="0.5"))
    report = await handlers.look(desk, await period(planned))
    rows = {(row["student"], row["subject"]): row for row in report.as_json()["classes"][0]["lines"]}
    assert (rows["s1", "Русский язык"]["mean"], rows["s1", "Русский язык"]["proposed"]) == ("2.60", 2)


async def test_more_than_a_point_off_needs_a_reason_that_holds_for_this_value_alone(planned: Journal) -> None:
    await send(planned, RecordKind.MARKS, *(a_mark(f"k{n}", "3") for n in range(3)))
    await complete(planned)
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus", value="5"))
    desk, quarter = await at_school(planned), await period(planned)
    assert await gaps(planned, await handlers.close(desk, quarter)) == {("s1", "rus"): Gap.DIFFERENCE_WITHOUT_REASON}
    result = await planned.id_of("final_grade", "r1")
    with pytest.raises(Refused) as refused:
        await handlers.state_reason(desk, result, reason=" ")
    assert refused.value.code is Refusal.REASON_NEEDED
    await handlers.state_reason(desk, result, reason="Победа в олимпиаде")
    assert not (await handlers.look(desk, quarter)).missing
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus", value="1"))
    assert await gaps(planned, await handlers.look(desk, quarter)) == {("s1", "rus"): Gap.DIFFERENCE_WITHOUT_REASON}


async def test_not_assessed_needs_a_reason_and_exempt_needs_none(planned: Journal) -> None:
    await complete(planned)
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus", value="н/а"))
    desk, quarter = await at_school(planned), await period(planned)
    assert await gaps(planned, await handlers.look(desk, quarter)) == {("s1", "rus"): Gap.NOT_ASSESSED_WITHOUT_REASON}
    await handlers.state_reason(desk, await planned.id_of("final_grade", "r1"), reason="Пропущены все уроки")
    report = await handlers.close(desk, quarter)
    assert report.closed
    standings = [line.standing for line in report.classes[0].lines]
    assert sorted(map(str, standings)) == ["exempt", "graded", "graded", "not_assessed"]


async def test_a_reason_may_come_with_the_grade_and_the_same_again_is_no_second_one(planned: Journal) -> None:
    await complete(planned)
    not_assessed = a_grade("r1", subject_id="rus", value="н/а", reason="Пропущены все уроки")
    assert (await send(planned, RecordKind.FINAL_GRADES, not_assessed)).changed == 1
    assert (await send(planned, RecordKind.FINAL_GRADES, not_assessed)).unchanged == 1
    kept = await planned.rows("SELECT reason, value_revision FROM grade_reasons")
    assert kept == [{"reason": "Пропущены все уроки", "value_revision": 2}]
    assert (await handlers.close(await at_school(planned), await period(planned))).closed


async def test_a_closed_period_takes_no_marks_and_no_grades_and_a_reopened_one_does(planned: Journal) -> None:
    await complete(planned)
    desk, quarter = await at_school(planned), await period(planned)
    assert (await handlers.close(desk, quarter)).closed
    assert await planned.rows("SELECT closed_at FROM periods WHERE period_id = $1", quarter) == [{"closed_at": NOW}]
    await planned.told()

    late = await send(planned, RecordKind.MARKS, a_mark("k9"))
    assert late.rejected == [(0, Fault("lesson_on", Code.PERIOD_CLOSED))]
    corrected = await send(planned, RecordKind.FINAL_GRADES, a_grade("g1", value="2"), a_grade("r1", subject_id="rus"))
    assert (corrected.rejected, corrected.unchanged) == ([(0, Fault("period_id", Code.PERIOD_CLOSED))], 1)
    withdrawn = await send(planned, RecordKind.FINAL_GRADES, a_grade("g1", state="withdrawn"))
    assert withdrawn.rejected == [(0, Fault("period_id", Code.PERIOD_CLOSED))]
    assert await planned.told() == []

    with pytest.raises(Refused) as refused:
        await handlers.reopen(desk, quarter, reason="  ")
    assert refused.value.code is Refusal.REASON_NEEDED
    planned.clock.advance(timedelta(hours=1))
    assert not (await handlers.reopen(desk, quarter, reason="Ошибка в журнале")).closed
    assert (await send(planned, RecordKind.MARKS, a_mark("k9"))).added == 1
    assert (await send(planned, RecordKind.FINAL_GRADES, a_grade("g1", value="2"))).changed == 1
    steps = [
        (step.state, step.reason, step.changed_by, step.revision) for step in await handlers.history(desk, quarter)
    ]
    assert steps == [("closed", "", "head", 1), ("reopened", "Ошибка в журнале", "head", 2)]


async def test_one_class_closes_by_itself_and_the_school_is_closed_with_the_last(planned: Journal) -> None:
    await planned.take(
        {
            "people": "person_id,role,family,given,patronymic,birth_date,school_id\ns4,student,Новиков,Егор,,,1\n",
            "groups": "group_id,school_id,kind,name,grade_level,subject_id\n7b,1,class,7Б,7,\n1a,1,class,1А,1,\n",
            "members": "group_id,person_id\n7b,s4\n",
        }
    )
    await send(planned, RecordKind.MARKS, a_mark("k1", student_id="s4"))
    await complete(planned)
    desk, quarter = await at_school(planned), await period(planned)
    first = await handlers.close(desk, quarter, await planned.id_of("group", "7a"))
    assert (first.closed, [part.name for part in first.classes]) == (True, ["7А"])
    assert await planned.rows("SELECT closed_at FROM periods WHERE closed_at IS NOT NULL") == []
    refused = await send(planned, RecordKind.FINAL_GRADES, a_grade("g1", value="2"))
    assert refused.rejected == [(0, Fault("period_id", Code.PERIOD_CLOSED))]

    whole = await handlers.close(desk, quarter)
    assert await gaps(planned, whole) == {("s4", "rus"): Gap.NO_GRADE}
    assert [part.state for part in whole.classes] == [ClosingState.CLOSED, ClosingState.OPEN]
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r4", student_id="s4", subject_id="rus"))
    assert (await handlers.close(desk, quarter)).closed
    assert len(await planned.rows("SELECT closed_at FROM periods WHERE closed_at IS NOT NULL")) == 1

    await handlers.reopen(desk, quarter, await planned.id_of("group", "7b"), reason="Перевод")
    assert await planned.rows("SELECT closed_at FROM periods WHERE closed_at IS NOT NULL") == []
    still = await send(planned, RecordKind.FINAL_GRADES, a_grade("g1", value="2"))
    assert still.rejected == [(0, Fault("period_id", Code.PERIOD_CLOSED))]


async def test_grade_one_has_nothing_to_close_and_closing_needs_a_period_that_has_begun(district: Journal) -> None:
    desk = await at_school(district)
    await district.take(
        {
            "groups": "group_id,school_id,kind,name,grade_level,subject_id\n1a,1,class,1А,1,\n",
            "members": "group_id,person_id\n1a,s2\n",
            "periods": "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
            "q2,1,quarter,2,2026/2027,2026-11-05,2026-12-28\n",
        }
    )
    for work, code in (
        (handlers.look(desk, await period(district), await district.id_of("group", "1a")), Refusal.NOTHING_TO_CLOSE),
        (handlers.close(desk, await period(district, "q2")), Refusal.NOT_BEGUN),
        (handlers.look(desk, await period(district, "q1-2")), Refusal.UNKNOWN_PERIOD),
        (handlers.look(desk, await period(district), await district.id_of("group", "7b-2")), Refusal.UNKNOWN_CLASS),
        (handlers.reopen(desk, await period(district), reason="так"), Refusal.NOT_CLOSED),
    ):
        with pytest.raises(Refused) as refused:
            await work
        assert refused.value.code is code


async def test_who_left_before_the_end_needs_no_grade_and_who_came_does(planned: Journal) -> None:
    await planned.take(
        {
            "people": "person_id,role,family,given,patronymic,birth_date,school_id\ns4,student,Новиков,Егор,,,1\n",
            "members": "group_id,person_id,joined_on,left_on\n7a,s2,,2026-10-20\n7a,s4,2026-10-21,\n",
        }
    )
    report = await handlers.look(await at_school(planned), await period(planned))
    assert set(await gaps(planned, report)) == {("s1", "rus"), ("s4", "alg"), ("s4", "rus")}


async def test_the_head_corrects_in_a_closed_period_and_says_why(planned: Journal) -> None:
    await complete(planned)
    desk, quarter = await at_school(planned), await period(planned)
    await handlers.close(desk, quarter)
    await planned.told()
    planned.clock.advance(timedelta(days=2))
    result = await planned.id_of("final_grade", "g1")
    grade = await handlers.correct(desk, result, "5", reason="Пересчитана контрольная")
    assert (grade.value, grade.revision, grade.obtained_at) == ("5", 2, planned.clock.at)
    (event,) = await planned.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.value, event.value_revision, event.obtained_at) == ("5", 2, planned.clock.at)
    reasons = await planned.rows("SELECT value_revision, reason, stated_by FROM grade_reasons")
    assert reasons == [{"value_revision": 2, "reason": "Пересчитана контрольная", "stated_by": "head"}]
    assert (await handlers.look(desk, quarter)).closed


async def test_another_school_sees_nothing_of_it(planned: Journal) -> None:
    desk, other = await at_school(planned), await at_school(planned, "2")
    asked = deferring.Request(
        student_id=await planned.id_of("person", "s1"),
        subject_id=await planned.id_of("subject", "rus"),
        period_id=await period(planned),
        reason="illness",
        document_number="1",
        document_date=date(2026, 10, 20),
        due_on=DUE_ON,
    )
    await deferring.request(desk, "district", asked)
    await complete(planned)
    await handlers.state_reason(desk, await planned.id_of("final_grade", "g1"), reason="так решено")
    await handlers.close(desk, await period(planned))
    await handlers.reopen(desk, await period(planned), reason="Ошибка")
    for name in ("period_closings", "grade_reasons", "deferrals", "period_closing_history", "deferral_history"):
        for who, seen in ((desk, True), (other, False)):
            async with planned.database.transaction(who.scope) as conn:
                assert bool(await conn.fetchval(f"SELECT count(*) FROM {name}")) is seen, name
    with pytest.raises(Refused):
        await handlers.correct(other, await planned.id_of("final_grade", "g1"), "5", reason="чужая")


async def test_a_running_deferral_lets_the_period_close_and_its_grade_is_taken_afterwards(planned: Journal) -> None:
    desk, quarter = await at_school(planned), await period(planned)
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r2", student_id="s2", subject_id="rus"))
    asked = deferring.Request(
        student_id=await planned.id_of("person", "s1"),
        subject_id=await planned.id_of("subject", "rus"),
        period_id=quarter,
        reason="illness",
        document_number="095/у-17",
        document_date=date(2026, 10, 20),
        due_on=DUE_ON,
    )
    deferral = await deferring.request(desk, "district", asked)
    assert await gaps(planned, await handlers.look(desk, quarter)) == {("s1", "rus"): Gap.DEFERRAL_REQUESTED}
    await deferring.approve(desk, deferral.deferral_id)
    report = await handlers.close(desk, quarter)
    assert report.closed
    assert [line.standing for line in report.classes[0].lines].count(Standing.DEFERRED) == 1
    await planned.told()

    obtained = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
    planned.clock.at = obtained + timedelta(minutes=5)
    taken = await send(
        planned, RecordKind.FINAL_GRADES, a_grade("late", subject_id="rus", obtained_at=obtained.isoformat())
    )
    assert (taken.changed, taken.rejected) == (1, [])
    (event,) = await planned.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.result_id, event.state, event.value, event.obtained_at) == (
        deferral.result_id,
        "set",
        "4",
        obtained,
    )
    assert (await handlers.look(desk, quarter)).closed
    async with planned.database.transaction(DISTRICT) as conn:
        assert await conn.fetchval("SELECT count(*) FROM disclosures WHERE result_id = $1", deferral.result_id) == 1


YEAR = """period_id,school_id,kind,number,school_year,starts_on,ends_on
q2,1,quarter,2,2026/2027,2026-11-05,2026-12-27
y,1,year,1,2026/2027,2026-09-01,2027-05-26
f,1,final,1,2026/2027,2026-09-01,2027-06-30
"""


async def test_the_years_grade_is_proposed_from_its_quarters_and_the_final_one_from_the_year(district: Journal) -> None:
    ninth = "group_id,school_id,kind,name,grade_level,subject_id\n7a,1,class,9А,9,\n"
    report = await district.take({"periods": YEAR, "groups": ninth})
    assert report.exit_code == 0, report.rejections
    await send(district, RecordKind.MARKS, *(a_mark(f"k{n}", "2") for n in range(4)))
    await send(
        district,
        RecordKind.FINAL_GRADES,
        a_grade("r1", subject_id="rus", value="3"),
        a_grade("r2", subject_id="rus", value="4", period_id="q2"),
        a_grade("r3", subject_id="rus", value="5", period_id="y"),
    )
    assert await proposed(district, "y") == (2, "3.50", 4, 1)
    assert await proposed(district, "f") == (1, "5.00", 5, None)


async def proposed(journal: Journal, name: str) -> tuple[object, ...]:
    """What is proposed in Russian for a period: from how many, their mean, the grade, how far the set one is off."""
    looked = await handlers.look(await at_school(journal), await period(journal, name))
    rows = [row for part in looked.as_json()["classes"] for row in part["lines"] if row["subject"] == "Русский язык"]
    (row,) = [row for row in rows if row["marks"]]
    assert "few_marks" not in row["warnings"]
    return row["marks"], row["mean"], row["proposed"], row["difference"]
