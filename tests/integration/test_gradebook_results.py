"""Final grades on their way: corrections, holds, releases, withdrawals, history, replay, the watch."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import DISTRICT, Database
from contracts.base import Event, PersonId, ResultId, SchoolId, StudentId
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.result_disclosed import Disclosure, ResultDisclosed
from contracts.values import Route
from services.cabinet.handlers import visible_results
from services.gradebook import erasing, handlers, metrics, queries
from services.gradebook import replay as replaying
from services.gradebook.app import watch
from services.gradebook.handlers import Sender
from services.gradebook.records import FinalGradeRecord, MarkRecord, Record, RecordKind
from services.gradebook.rejections import Code, Fault
from services.gradebook.replay import replay
from services.gradebook.settings import Settings
from services.gradebook.subscribers import note_first_disclosures
from services.gradebook.taking import Outcome, Placed
from tests.browser.cabinet_world import World
from tests.integration.test_gradebook_journal import NOW, SET_AT, Journal, district, journal, last

__all__ = ["district", "journal"]

HOUR = timedelta(hours=1)


def a_grade(result_id: str = "g1", **changes: Any) -> FinalGradeRecord:
    """The record of a final grade."""
    fields: dict[str, Any] = {
        "result_id": result_id,
        "student_id": "s1",
        "subject_id": "alg",
        "period_id": "q1",
        "value": "4",
        "obtained_at": SET_AT,
    }
    return FinalGradeRecord.model_validate(fields | changes)


async def send(journal: Journal, kind: RecordKind, *records: Record, school: str = "1") -> Outcome:
    """The district sends records of a school."""
    sender = Sender("district", await journal.id_of("school", school), of_district=True)
    rows = [Placed(place, record) for place, record in enumerate(records)]
    return await handlers.take_records(journal.database, journal.clock, sender, kind, rows)


async def the_school(journal: Journal, of_district: bool = False) -> Sender:
    """School 1 itself."""
    return Sender("district", await journal.id_of("school", "1"), of_district=of_district)


async def disclosures(journal: Journal, external_id: str) -> list[dict[str, Any]]:
    """What is known of when a result was disclosed."""
    return await journal.rows(
        "SELECT value_revision, held, obtained_at, disclosed_at FROM disclosures WHERE result_id = $1 ORDER BY 1",
        await journal.id_of("final_grade", external_id),
    )


async def test_a_correction_is_a_new_revision_and_the_old_one_stays(district: Journal) -> None:
    district.clock.advance(48 * HOUR)
    outcome = await send(district, RecordKind.FINAL_GRADES, a_grade(value="5"))
    assert (outcome.added, outcome.changed, outcome.unchanged) == (0, 1, 0)

    (event,) = await district.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.revision, event.value_revision, event.value) == (2, 2, "5")
    assert event.obtained_at == event.recorded_at == NOW + 48 * HOUR
    history = await district.rows("SELECT revision, value, obtained_at FROM final_grade_history")
    assert history == [{"revision": 1, "value": "4", "obtained_at": datetime.fromisoformat(SET_AT)}]

    again = await send(district, RecordKind.FINAL_GRADES, a_grade(value="5"))
    assert again.unchanged == 1
    assert await district.told() == []


async def test_a_correction_of_a_held_grade_keeps_its_deadline(district: Journal) -> None:
    district.clock.advance(HOUR)
    await send(district, RecordKind.FINAL_GRADES, a_grade("g2", student_id="s2", value="3", held=True))
    (event,) = await district.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.value, event.held, event.value_revision) == ("3", True, 2)
    assert event.obtained_at == datetime.fromisoformat(SET_AT)


async def test_the_head_releases_a_class_for_a_period(district: Journal) -> None:
    sender = await the_school(district)
    released = await handlers.release_class(district.database, district.clock, sender, period_id="q1", class_id="7a")
    assert released == 1
    (event,) = await district.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.held, event.revision, event.value_revision) == (False, 2, 1)
    assert await handlers.release_class(district.database, district.clock, sender, period_id="q1", class_id="7a") == 0
    assert await district.told() == []
    again = await district.take({"final_grades": "\n".join(_held_file())})
    assert again.of(RecordKind.FINAL_GRADES).unchanged == 1


def _held_file() -> list[str]:
    header = "result_id,student_id,subject_id,period_id,value,obtained_at,held"
    return [header, f"g2,s2,alg,q1,5,{SET_AT},true"]


async def test_single_grades_are_released_and_unknown_ones_named(district: Journal) -> None:
    sender = await the_school(district)
    done = await handlers.release_results(district.database, district.clock, sender, ["g2", "g1", "g3", "absent"])
    assert done.released == 1
    assert done.unknown == ["absent", "g3"]


async def test_a_withdrawn_grade_is_told_without_its_value_and_stays_in_history(district: Journal) -> None:
    sender = await the_school(district)
    assert await handlers.withdraw_result(district.database, district.clock, sender, "g1")
    (event,) = await district.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.state, event.value, event.revision, event.value_revision) == ("withdrawn", None, 2, 1)
    assert await handlers.withdraw_result(district.database, district.clock, sender, "g1")
    assert await district.told() == []
    assert not await handlers.withdraw_result(district.database, district.clock, sender, "g3")
    assert await district.rows("SELECT value FROM final_grade_history") == [{"value": "4"}]
    assert await disclosures(district, "g1") == []


async def test_a_grade_may_be_withdrawn_and_set_again_by_records(district: Journal) -> None:
    await send(district, RecordKind.FINAL_GRADES, a_grade(state="withdrawn", subject_id="rus", value=None))
    district.clock.advance(HOUR)
    await send(district, RecordKind.FINAL_GRADES, a_grade())
    gone, again = await district.told()
    assert isinstance(gone, FinalGradeSet)
    assert isinstance(again, FinalGradeSet)
    assert (gone.state, gone.subject.title) == ("withdrawn", "Алгебра")
    assert (again.state, again.value, again.revision, again.value_revision) == ("set", "4", 3, 3)
    assert again.obtained_at == NOW + HOUR


async def test_withdrawing_what_was_never_set_is_an_orphan(district: Journal) -> None:
    outcome = await send(district, RecordKind.FINAL_GRADES, a_grade("absent", state="withdrawn"))
    assert outcome.rejected == [(0, Fault("result_id", Code.ORPHAN_ROW))]


async def test_a_mark_is_corrected_and_withdrawn(district: Journal) -> None:
    mark = {
        "mark_id": "m1",
        "student_id": "s1",
        "subject_id": "alg",
        "group_id": "7a-alg",
        "lesson_on": "2026-10-12",
        "work_type": "control_work",
        "weight": "2",
        "value": "4",
    }
    await send(district, RecordKind.MARKS, MarkRecord.model_validate(mark))
    await send(district, RecordKind.MARKS, MarkRecord.model_validate(mark | {"state": "withdrawn"}))
    corrected, gone = await district.told()
    assert isinstance(corrected, MarkRecorded)
    assert isinstance(gone, MarkRecorded)
    assert (corrected.revision, corrected.value, corrected.state) == (2, "4", "recorded")
    assert (gone.revision, gone.state) == (3, "withdrawn")
    history = await district.rows("SELECT revision, value FROM mark_history ORDER BY revision")
    assert history == [{"revision": 1, "value": "5"}, {"revision": 2, "value": "4"}]


async def test_a_batch_with_the_same_id_twice_takes_the_first(district: Journal) -> None:
    outcome = await send(district, RecordKind.FINAL_GRADES, a_grade("n1", value="3"), a_grade("n1", value="5"))
    assert outcome.added == 1
    assert outcome.rejected == [(1, Fault("result_id", Code.DUPLICATE_ID))]
    (event,) = await district.told()
    assert isinstance(event, FinalGradeSet)
    assert event.value == "3"


async def test_replay_tells_the_value_that_is_shown_while_a_correction_is_held(
    district: Journal, service_database: Callable[[str], Awaitable[Database]]
) -> None:
    district.clock.at = datetime.now(UTC)
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="5", held=True))
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="3", held=True))
    result_id = await district.id_of("final_grade", "g1")
    before = {event.event_id(): event.to_json() for event in await _everything(district)}
    await district.told()

    await replay(district.database)

    told = [event for event in await district.told() if isinstance(event, FinalGradeSet)]
    assert [before[event.event_id()] for event in told] == [event.to_json() for event in told]
    of_g1 = [(item.value_revision, item.value, item.held) for item in told if item.result_id == result_id]
    assert of_g1 == [(1, "4", False), (3, "3", True)]
    assert await _shown_after(told, await service_database("cabinet")) >= {(result_id, 1)}


async def _shown_after(told: list[FinalGradeSet], database: Database) -> set[tuple[UUID, int]]:
    """What the mother of s1 reads in a cabinet that was told nothing else about grades."""
    world, mother = World(database), uuid4()
    students = {event.student_id for event in told}
    await world.hear()
    await world.tell(*(world.student([mother], student_id=student_id) for student_id in students))
    await world.tell(*(world.consent(mother, student_id) for student_id in students))
    await world.tell(*told)
    return {(item.result_id, item.value_revision) for item in await visible_results(database, mother)}


async def test_replay_tells_no_earlier_value_that_was_never_shown_or_was_withdrawn(district: Journal) -> None:
    district.clock.at = datetime.now(UTC)
    fresh = district.clock.at.isoformat()
    await send(district, RecordKind.FINAL_GRADES, a_grade("g7", value="4", held=True, obtained_at=fresh))
    await send(district, RecordKind.FINAL_GRADES, a_grade("g7", value="5", held=True, obtained_at=fresh))
    await send(district, RecordKind.FINAL_GRADES, a_grade(state="withdrawn", value=None))
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="5", held=True))
    await district.told()
    await replay(district.database)
    told = [event for event in await district.told() if isinstance(event, FinalGradeSet)]
    values = {
        name: [(event.state, event.value) for event in told if event.result_id == result_id]
        for name, result_id in [(name, await district.id_of("final_grade", name)) for name in ("g1", "g7")]
    }
    assert values == {"g1": [("withdrawn", None), ("set", "5")], "g7": [("set", "5")]}


async def test_replay_tells_the_same_events_again_in_the_order_of_dependence(district: Journal) -> None:
    district.clock.advance(48 * HOUR)
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="5"))
    before = {event.event_id(): event.to_json() for event in await _everything(district)}

    assert await replay(district.database) == 16

    told = await district.told()
    assert [type(event).__name__ for event in told] == (
        ["SchoolChanged"] * 2
        + ["PersonChanged"] * 5
        + ["StudyGroupChanged"] * 3
        + ["MarkRecorded"] * 2
        + ["FinalGradeSet"] * 3
        + ["ExamResultRecorded"]
    )
    for event in told:
        assert before[event.event_id()] == event.to_json()
    corrected = last(told, FinalGradeSet, result_id=await district.id_of("final_grade", "g1"))
    assert corrected.revision == 2


async def test_replay_tells_no_marks_and_results_of_who_was_erased_and_goes_on_to_the_end(
    district: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = (MarkRecorded, FinalGradeSet, ExamResultRecorded)
    before = [event for event in await _everything(district) if isinstance(event, kinds)]
    gone = await district.id_of("person", "s1")
    async with district.database.transaction(DISTRICT) as conn:
        await erasing.erase_person(conn, gone, district.clock.at)
    await district.told()
    # A page for each event: one that only lacks the erased must not be taken for the last.
    monkeypatch.setattr(replaying, "PAGE", 1)
    await replay(district.database)

    told = [event for event in await district.told() if isinstance(event, kinds)]
    assert {event.event_id() for event in told} == {event.event_id() for event in before if event.student_id != gone}
    assert {type(event) for event in before if event.student_id == gone} == set(kinds)
    assert told != []
    kept = await district.rows("SELECT count(*) AS marks FROM marks WHERE student_id = $1", gone)
    assert kept[0]["marks"] > 0


async def _everything(journal: Journal) -> list[Event]:
    await journal.told()
    journal._seen = 0
    return await journal.told()


async def test_events_on_the_wire_fit_the_contract_and_read_back_the_same(district: Journal) -> None:
    rows = await district.rows("SELECT type, payload FROM outbox")
    for event, row in zip(await _everything(district), rows, strict=True):
        assert row["type"] == event.TOPIC
        assert event.to_json().decode() == row["payload"]
        assert type(event).model_validate_json(row["payload"]) == event


def disclosed(result_id: UUID, value_revision: int, *since: datetime, revision: int = 1) -> ResultDisclosed:
    """The publisher says since when recipients have a value."""
    return ResultDisclosed(
        revision=revision,
        result_id=ResultId(result_id),
        value_revision=value_revision,
        school_id=SchoolId(uuid4()),
        student_id=StudentId(uuid4()),
        disclosures=[
            Disclosure(recipient_id=PersonId(uuid4()), route=Route.SCREEN, available_at=at, late="no") for at in since
        ],
        changed_at=max(since),
    )


async def hear(journal: Journal, *events: ResultDisclosed) -> None:
    """The gradebook hears it."""
    async with journal.database.transaction(DISTRICT) as conn:
        await note_first_disclosures(conn, events, NOW)


async def test_the_first_disclosure_of_each_value_is_kept_in_whatever_order_it_is_told(district: Journal) -> None:
    result_id = await district.id_of("final_grade", "g1")
    await hear(district, disclosed(result_id, 1, NOW + 3 * HOUR, NOW + 2 * HOUR, revision=2))
    await hear(district, disclosed(result_id, 1, NOW + 3 * HOUR))
    await hear(district, disclosed(uuid4(), 1, NOW))
    (row,) = await disclosures(district, "g1")
    assert row["disclosed_at"] == NOW + 2 * HOUR


async def test_a_superseded_value_that_nobody_saw_is_awaited_no_more(district: Journal) -> None:
    district.clock.advance(HOUR)
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="5"))
    assert [row["value_revision"] for row in await disclosures(district, "g1")] == [2]


async def test_a_value_that_was_seen_keeps_its_instant_after_a_correction(district: Journal) -> None:
    await hear(district, disclosed(await district.id_of("final_grade", "g1"), 1, NOW))
    district.clock.advance(HOUR)
    await send(district, RecordKind.FINAL_GRADES, a_grade(value="5"))
    rows = await disclosures(district, "g1")
    assert [(row["value_revision"], row["disclosed_at"]) for row in rows] == [(1, NOW), (2, None)]


async def test_the_watch_sees_the_oldest_released_result_that_nobody_has(district: Journal) -> None:
    settings = Settings(database_url="unused", kafka_bootstrap="unused")
    loop = watch(district.database, district.clock, settings)
    assert await loop.work() == 0
    exam_at = datetime(2026, 6, 10, 6, 0, tzinfo=UTC)
    assert metrics.UNDISCLOSED_AGE._value.get() == (NOW - exam_at).total_seconds()
    assert metrics.UNDISCLOSED._value.get() == 3

    await hear(district, disclosed(await district.id_of("exam_result", "e1"), 1, NOW))
    await hear(district, disclosed(await district.id_of("final_grade", "g1"), 1, NOW))
    await hear(district, disclosed(await district.id_of("final_grade", "g3"), 1, NOW))
    await loop.work()
    assert metrics.UNDISCLOSED_AGE._value.get() == 0

    district.clock.advance(23 * HOUR)
    await loop.work()
    assert metrics.UNDISCLOSED_AGE._value.get() == 24 * 3600
    assert metrics.UNDISCLOSED._value.get() == 1


async def test_a_release_is_watched_at_once(district: Journal) -> None:
    await handlers.release_results(district.database, district.clock, await the_school(district), ["g2"])
    (row,) = await disclosures(district, "g2")
    assert not row["held"]


async def test_hot_queries_use_their_indexes(district: Journal) -> None:
    async with district.database.transaction(DISTRICT) as conn:
        await conn.execute("SET LOCAL enable_seqscan = off")
        for sql, arguments, index in (
            (queries._OLDEST_AWAITED, (NOW,), "disclosures_awaited"),
            (queries._HELD_OF_CLASS, (uuid4(), uuid4()), "final_grades_held"),
            (queries._RESULTS_OF_STUDENT, (uuid4(), uuid4()), "final_grades_student_id"),
            (queries._GRADES, ([uuid4()],), "final_grades_pkey"),
        ):
            plan = "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {sql}", *arguments))
            assert index in plan, plan
