"""The life of a deferral: asked for, approved and told, due by the clock, fulfilled under the same result (C5.3)."""

from collections.abc import Awaitable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.database import DISTRICT
from contracts.final_grade_set import FinalGradeSet
from services.gradebook import handlers as journal_handlers
from services.gradebook import metrics
from services.gradebook.closing import deferring, handlers
from services.gradebook.closing.deferrals import Deferral
from services.gradebook.closing.domain import Gap
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.records import RecordKind
from services.gradebook.replay import replay
from tests.integration.test_closing_periods import DUE_ON, at_school, gaps, period, planned
from tests.integration.test_gradebook_journal import NOW, Journal, district, journal
from tests.integration.test_gradebook_results import a_grade, disclosures, send, the_school

__all__ = ["district", "journal", "planned"]

END_OF_DUE_DAY = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
"""Midnight in Moscow."""


async def asked(journal: Journal, student: str = "s1", **changes: Any) -> deferring.Request:
    """A deferral of Russian because of an illness."""
    fields: dict[str, Any] = {
        "student_id": await journal.id_of("person", student),
        "subject_id": await journal.id_of("subject", "rus"),
        "period_id": await period(journal),
        "reason": "illness",
        "document_number": "095/у-17",
        "document_date": date(2026, 10, 20),
        "due_on": DUE_ON,
    }
    return deferring.Request(**fields | changes)


async def requested(journal: Journal, student: str = "s1", **changes: Any) -> Deferral:
    """A deferral that waits for the head."""
    return await deferring.request(await at_school(journal), "district", await asked(journal, student, **changes))


async def approved(journal: Journal, student: str = "s1") -> Deferral:
    """A deferral of which the family was told."""
    deferral = await requested(journal, student)
    await deferring.approve(await at_school(journal), deferral.deferral_id)
    await journal.told()
    return deferral


async def told_grade(journal: Journal) -> FinalGradeSet:
    """The one event since the last look."""
    (event,) = await journal.told()
    assert isinstance(event, FinalGradeSet)
    return event


async def refusal(work: Awaitable[Any]) -> Refusal:
    """Why something is refused."""
    with pytest.raises(Refused) as refused:
        await work
    return refused.value.code


async def test_a_request_tells_nobody_and_an_approval_tells_the_family_until_when(planned: Journal) -> None:
    deferral = await requested(planned)
    assert await planned.told() == []
    planned.clock.advance(timedelta(hours=2))
    await deferring.approve(await at_school(planned, by="директор"), deferral.deferral_id)
    event = await told_grade(planned)
    assert (event.result_id, event.state, event.value, event.deferred_until, event.reason) == (
        deferral.result_id,
        "deferred",
        None,
        DUE_ON,
        "illness",
    )
    assert (event.revision, event.obtained_at, event.held) == (1, NOW + timedelta(hours=2), False)
    steps = await deferring.history(await at_school(planned), deferral.deferral_id)
    assert [(step.state, step.changed_by, step.revision) for step in steps] == [
        ("requested", "head", 1),
        ("approved", "директор", 2),
    ]


async def test_the_24_hours_of_a_deferred_grade_run_from_when_it_is_obtained(planned: Journal) -> None:
    deferral = await approved(planned)
    watched = "SELECT value_revision, obtained_at FROM disclosures WHERE result_id = $1"
    assert await planned.rows(watched, deferral.result_id) == []
    planned.clock.advance(timedelta(days=18))
    obtained = planned.clock.at - timedelta(minutes=3)
    await send(planned, RecordKind.FINAL_GRADES, a_grade("late", subject_id="rus", obtained_at=obtained.isoformat()))
    event = await told_grade(planned)
    assert (event.result_id, event.state, event.value, event.revision, event.value_revision) == (
        deferral.result_id,
        "set",
        "4",
        2,
        2,
    )
    assert (event.obtained_at, event.deferred_until, event.reason) == (obtained, None, None)
    assert await planned.rows(watched, deferral.result_id) == [{"value_revision": 2, "obtained_at": obtained}]
    states = await planned.rows("SELECT state, changed_by, revision FROM deferrals")
    assert states == [{"state": "fulfilled", "changed_by": "journal", "revision": 3}]


async def test_the_journals_own_name_of_the_grade_finds_it_from_then_on(planned: Journal) -> None:
    deferral = await approved(planned)
    late = a_grade("late", subject_id="rus", held=True)
    await send(planned, RecordKind.FINAL_GRADES, late)
    event = await told_grade(planned)
    # Obtained before the deferral was approved: its own 24 hours run from then, and not from when it arrived.
    assert (event.held, event.obtained_at) == (True, late.obtained_at)
    assert (await send(planned, RecordKind.FINAL_GRADES, late)).unchanged == 1
    sender = await the_school(planned)
    released = await journal_handlers.release_results(planned.database, planned.clock, sender, ["late"])
    assert (released.released, released.unknown) == (1, [])
    await send(planned, RecordKind.FINAL_GRADES, a_grade("late", subject_id="rus", value="5"))
    assert await journal_handlers.withdraw_result(planned.database, planned.clock, sender, "late")
    events = await planned.told()
    assert {event.result_id for event in events if isinstance(event, FinalGradeSet)} == {deferral.result_id}
    assert [event.state for event in events if isinstance(event, FinalGradeSet)] == ["set", "set", "withdrawn"]
    assert await planned.rows("SELECT count(*) FROM final_grades WHERE external_id = 'late'") == [{"count": 1}]
    assert await disclosures(planned, "late") == []


async def test_on_its_last_day_it_runs_and_after_midnight_at_the_school_it_is_missing_again(planned: Journal) -> None:
    deferral = await approved(planned)
    desk, quarter = await at_school(planned), await period(planned)
    loop = deferring.timer(planned.database, planned.clock)
    planned.clock.at = END_OF_DUE_DAY - timedelta(seconds=1)
    assert await loop.next_due_seconds() == pytest.approx(1.0)
    assert await loop.work() == 0
    assert ("s1", "rus") not in await gaps(planned, await handlers.look(desk, quarter))
    planned.clock.at = END_OF_DUE_DAY
    assert await loop.work() == 1
    assert await loop.work() == 0
    assert await loop.next_due_seconds() is None
    assert metrics.DEFERRALS_DUE._value.get() == 1
    assert (await gaps(planned, await handlers.look(desk, quarter)))["s1", "rus"] is Gap.DEFERRAL_DUE
    assert await planned.told() == []
    (row,) = await deferring.listed(desk, quarter, ["due"])
    assert (row["deferral_id"], row["name"], row["changed_by"]) == (
        deferral.deferral_id,
        "Примерова Анна Образцовна",
        "clock",
    )


async def test_what_is_due_may_get_a_later_day_or_still_its_grade(planned: Journal) -> None:
    first, second = await approved(planned), await approved(planned, "s2")
    planned.clock.at = END_OF_DUE_DAY
    assert await deferring.let_come_due(planned.database, planned.clock) == 2
    desk = await at_school(planned)
    assert await refusal(deferring.put_off(desk, first.deferral_id, date(2026, 11, 21))) is Refusal.BAD_DUE_DATE
    await deferring.put_off(desk, first.deferral_id, date(2026, 12, 1))
    event = await told_grade(planned)
    assert (event.state, event.deferred_until, event.revision, event.value_revision) == (
        "deferred",
        date(2026, 12, 1),
        2,
        2,
    )
    await send(planned, RecordKind.FINAL_GRADES, a_grade("late", student_id="s2", subject_id="rus"))
    assert (await told_grade(planned)).result_id == second.result_id


async def test_a_refusal_is_told_to_nobody_and_an_ending_takes_back_what_was_told(planned: Journal) -> None:
    desk, quarter = await at_school(planned), await period(planned)
    refused, ended = await requested(planned), await requested(planned, "s2")
    await deferring.refuse(desk, refused.deferral_id, note="Справка не подтвердилась")
    assert await planned.told() == []
    await deferring.approve(desk, ended.deferral_id)
    await planned.told()
    assert await refusal(deferring.cancel(desk, ended.deferral_id, note=" ")) is Refusal.REASON_NEEDED
    await deferring.cancel(desk, ended.deferral_id, note="Ошибка")
    event = await told_grade(planned)
    assert (event.result_id, event.state, event.deferred_until) == (ended.result_id, "withdrawn", None)
    assert await gaps(planned, await handlers.look(desk, quarter)) == {
        ("s1", "rus"): Gap.NO_MARKS,
        ("s2", "rus"): Gap.NO_MARKS,
    }
    again = await requested(planned, "s2")
    await deferring.approve(desk, again.deferral_id)
    event = await told_grade(planned)
    assert (event.result_id, event.state, event.revision) == (ended.result_id, "deferred", 3)


async def test_a_second_deferral_of_the_same_grade_is_ended_by_it_too_and_never_takes_it_back(planned: Journal) -> None:
    grade = a_grade("late", subject_id="rus")
    taken_back = a_grade("late", subject_id="rus", state="withdrawn")
    first = await approved(planned)
    await send(planned, RecordKind.FINAL_GRADES, grade)
    await send(planned, RecordKind.FINAL_GRADES, taken_back)
    await planned.told()
    second = await approved(planned)
    assert second.result_id == first.result_id
    # The journal repeats what it said before: the deferral that the head has granted since stays.
    assert (await send(planned, RecordKind.FINAL_GRADES, taken_back)).unchanged == 1
    sender = await the_school(planned)
    assert await journal_handlers.withdraw_result(planned.database, planned.clock, sender, "late")
    assert await planned.told() == []
    await send(planned, RecordKind.FINAL_GRADES, grade)
    event = await told_grade(planned)
    assert (event.result_id, event.state, event.value) == (first.result_id, "set", "4")
    states = await planned.rows("SELECT state FROM deferrals")
    assert states == [{"state": "fulfilled"}, {"state": "fulfilled"}]
    desk = await at_school(planned)
    assert await refusal(deferring.cancel(desk, second.deferral_id, note="Ошибка")) is Refusal.WRONG_STATE


async def test_a_grade_that_comes_before_the_decision_makes_the_request_needless(planned: Journal) -> None:
    deferral = await requested(planned)
    await send(planned, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus"))
    assert (await told_grade(planned)).result_id == await planned.id_of("final_grade", "r1")
    assert await planned.rows("SELECT state FROM deferrals") == [{"state": "cancelled"}]
    assert await refusal(deferring.approve(await at_school(planned), deferral.deferral_id)) is Refusal.WRONG_STATE


async def test_what_does_not_fit_is_refused_with_a_code(planned: Journal) -> None:
    desk = await at_school(planned)
    nobody = UUID(int=7)
    for changes, code in (
        ({"student_id": nobody}, Refusal.UNKNOWN_STUDENT),
        ({"student_id": await planned.id_of("person", "s3")}, Refusal.UNKNOWN_STUDENT),
        ({"subject_id": nobody}, Refusal.UNKNOWN_SUBJECT),
        ({"period_id": await period(planned, "q1-2")}, Refusal.UNKNOWN_PERIOD),
        ({"reason": "travel"}, Refusal.BAD_REASON),
        ({"due_on": date(2026, 10, 23)}, Refusal.BAD_DUE_DATE),
        ({"document_date": date(2026, 11, 30)}, Refusal.BAD_DUE_DATE),
        ({"subject_id": await planned.id_of("subject", "alg")}, Refusal.ALREADY_GRADED),
    ):
        assert await refusal(deferring.request(desk, "district", await asked(planned, **changes))) is code
    deferral = await requested(planned)
    assert await refusal(requested(planned)) is Refusal.ALREADY_DEFERRED
    assert await refusal(deferring.put_off(desk, deferral.deferral_id, date(2026, 12, 1))) is Refusal.WRONG_STATE
    await deferring.approve(desk, deferral.deferral_id)
    assert await refusal(deferring.approve(desk, deferral.deferral_id)) is Refusal.WRONG_STATE
    assert await refusal(deferring.refuse(desk, deferral.deferral_id, note="поздно")) is Refusal.WRONG_STATE
    other = await at_school(planned, "2")
    assert await refusal(deferring.cancel(other, deferral.deferral_id, note="чужая")) is Refusal.UNKNOWN_DEFERRAL


async def test_a_replay_tells_the_deferral_again_just_the_same(planned: Journal) -> None:
    deferral = await requested(planned)
    await deferring.approve(await at_school(planned), deferral.deferral_id)
    first = await told_grade(planned)
    await replay(planned.database)
    again = [
        event
        for event in await planned.told()
        if isinstance(event, FinalGradeSet) and event.result_id == deferral.result_id
    ]
    assert again == [first]


async def test_no_document_and_no_name_is_in_the_history_of_events(planned: Journal) -> None:
    await approved(planned)
    async with planned.database.transaction(DISTRICT) as conn:
        payloads = await conn.fetch("SELECT payload FROM outbox WHERE type = $1", FinalGradeSet.TOPIC)
    assert payloads
    assert all(b"095" not in bytes(str(row["payload"]).encode()) for row in payloads)
