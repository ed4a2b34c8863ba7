"""The forecast of a running period on a real database (C4): due with the mark, told when its headline changes."""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis.auth import create_client
from chassis.crash import CRASHED
from chassis.database import DISTRICT, school
from chassis.service import Service
from contracts.base import Event
from contracts.forecast_updated import Band, ForecastUpdated
from contracts.values import PeriodKind
from services.gradebook import policy_queries
from services.gradebook.api import make_router
from services.gradebook.forecasting import queries
from services.gradebook.forecasting.loop import Forecasting
from services.gradebook.policy import SchoolPolicy
from services.gradebook.records import MarkRecord, RecordKind
from services.gradebook.replay import replay
from services.gradebook.settings import Settings
from tests.integration.test_gradebook_journal import NOW, Journal, district, journal, last
from tests.integration.test_gradebook_results import a_grade, send
from tests.support.databases import ServiceDatabases

__all__ = ["district", "journal"]

MORE_PERIODS = """period_id,school_id,kind,number,school_year,starts_on,ends_on
q2,1,quarter,2,2026/2027,2026-11-04,2026-12-28
h1,1,half_year,1,2026/2027,2026-09-01,2026-12-28
"""
YEAR = "period_id,school_id,kind,number,school_year,starts_on,ends_on\ny,1,year,1,2026/2027,2026-09-01,2027-05-31\n"


def a_mark(mark_id: str, value: str = "5", **changes: Any) -> MarkRecord:
    """A mark of the first quarter."""
    fields = {
        "mark_id": mark_id,
        "student_id": "s2",
        "subject_id": "rus",
        "lesson_on": "2026-10-12",
        "work_type": "answer",
        "value": value,
    }
    return MarkRecord.model_validate(fields | changes)


async def marked(journal: Journal, *marks: MarkRecord, school: str = "1") -> None:
    """A teacher gives marks; all are taken."""
    outcome = await send(journal, RecordKind.MARKS, *marks, school=school)
    assert outcome.rejected == []


async def worked(journal: Journal, forecasting: Forecasting | None = None) -> list[ForecastUpdated]:
    """Lets the loop work everything off; returns what it told."""
    forecasting = forecasting or Forecasting(journal.database, journal.clock)
    while await forecasting.work():
        pass
    return forecasts(await journal.told())


def forecasts(events: list[Event]) -> list[ForecastUpdated]:
    """Those among the events that are forecasts."""
    return [event for event in events if isinstance(event, ForecastUpdated)]


async def stored(journal: Journal) -> list[dict[str, Any]]:
    """The forecasts as they are stored."""
    return await journal.rows("SELECT * FROM forecasts ORDER BY period_id, student_id, subject_id")


@pytest.fixture
async def running(district: Journal) -> Journal:
    """The small district in the middle of its first quarter, with physics; nothing is due."""
    await district.take({"subjects": "subject_id,title\nphy,Физика\n"})
    district.clock.advance(timedelta(days=-9))
    assert await worked(district) == []
    return district


async def test_two_marks_make_a_forecast_and_its_event(running: Journal) -> None:
    await marked(running, a_mark("k1", "5"))
    assert await worked(running) == []
    assert await stored(running) == []

    await marked(running, a_mark("k2", "5", lesson_on="2026-10-13"))
    (event,) = await worked(running)
    assert (event.revision, event.state, event.leading, event.marks_counted) == (1, "current", "5", 2)
    assert event.band in {Band.OPEN, Band.LIKELY}
    assert event.student_id == await running.id_of("person", "s2")
    assert (event.subject.title, event.period.kind, event.period.number) == ("Русский язык", PeriodKind.QUARTER, 1)
    chances = event.probabilities
    assert chances.p2 + chances.p3 + chances.p4 + chances.p5 == pytest.approx(1)
    assert chances.p5 > chances.p4 > chances.p3 > 0
    (row,) = await stored(running)
    assert row["probabilities"] == [chances.p2, chances.p3, chances.p4, chances.p5]
    assert await running.rows("SELECT * FROM forecast_due") == []


async def test_a_mark_that_leaves_the_headline_is_stored_and_not_told(running: Journal) -> None:
    await marked(running, *(a_mark(f"k{number}", "4") for number in range(4)))
    (first,) = await worked(running)
    (before,) = await stored(running)
    running.clock.advance(timedelta(hours=1))

    await marked(running, a_mark("k4", "4"))
    assert await worked(running) == []
    (after,) = await stored(running)
    assert (after["marks_counted"], after["revision"]) == (5, first.revision)
    assert after["probabilities"] != before["probabilities"]
    assert (after["computed_at"], after["changed_at"]) == (running.clock.at, before["changed_at"])
    assert after["told"] == before["told"]


async def test_another_leading_grade_or_band_is_told_at_the_next_revision(running: Journal) -> None:
    await marked(running, a_mark("k1", "4"), a_mark("k2", "4"))
    (first,) = await worked(running)
    assert first.band is not Band.FIRM
    await marked(running, *(a_mark(f"l{number}", "4") for number in range(14)))
    (second,) = await worked(running)
    assert (second.leading, second.band, second.revision) == ("4", Band.FIRM, 2)
    assert second.event_id() != first.event_id()

    await marked(running, *(a_mark(f"n{number}", "2", work_type="control_work", weight="3") for number in range(30)))
    (third,) = await worked(running)
    assert (first.leading, third.leading, third.revision) == ("4", "2", 3)


async def test_what_is_needed_for_the_next_grade_is_told(running: Journal) -> None:
    await running.take(
        {
            "control_works": (
                "control_work_id,group_id,subject_id,planned_on,number,kind,title\n"
                "c1,7a,rus,2026-10-20,2,control_work,Диктант\n"
            )
        }
    )
    await marked(running, a_mark("k1", "5"), a_mark("k2", "3"), a_mark("k3", "5"))
    (event,) = await worked(running)
    needed = {(hint.code, hint.grade, hint.mark, hint.count, hint.work_type) for hint in event.needed}
    assert ("marks_needed", "5", "5", 1, "control_work") in needed


async def test_marks_withdrawn_below_two_end_the_forecast_and_new_ones_bring_it_back(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    (first,) = await worked(running)
    await marked(running, a_mark("k2", state="withdrawn"))
    (second,) = await worked(running)
    assert (second.state, second.revision, second.marks_counted, second.band) == ("closed", 2, 1, Band.EARLY)
    assert second.probabilities != first.probabilities
    assert second.needed == []
    assert await answers(running, "students", "s2") == []

    await marked(running, a_mark("k1", state="withdrawn"))
    assert await worked(running) == []
    await marked(running, a_mark("k3"), a_mark("k4"))
    (third,) = await worked(running)
    assert (third.state, third.revision) == ("current", 3)


async def test_a_mark_moved_to_another_subject_leaves_the_old_forecast(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    await worked(running)
    await marked(running, a_mark("k1", subject_id="phy"), a_mark("k3", subject_id="phy"))
    told = {event.subject.title: event.state for event in await worked(running)}
    assert told == {"Русский язык": "closed", "Физика": "current"}


async def test_the_final_grade_ends_the_forecast_and_its_withdrawal_brings_it_back(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    await worked(running)
    grade = a_grade("f1", student_id="s2", subject_id="rus", value="5", obtained_at="2026-10-14T10:00:00+03:00")
    await send(running, RecordKind.FINAL_GRADES, grade)
    (closed,) = await worked(running)
    assert (closed.state, closed.revision) == ("closed", 2)
    await send(running, RecordKind.FINAL_GRADES, grade.model_copy(update={"state": "withdrawn"}))
    (opened,) = await worked(running)
    assert (opened.state, opened.revision) == ("current", 3)


async def test_grade_one_has_no_forecast(running: Journal) -> None:
    await running.take(
        {
            "people": "person_id,role,family,given,patronymic,birth_date,school_id\nn1,student,Малышев,Ян,,,1\n",
            "groups": "group_id,school_id,kind,name,grade_level,subject_id\n1a,1,class,1А,1,\n",
            "members": "group_id,person_id\n1a,n1\n",
        }
    )
    home = await running.id_of("school", "1")
    allowing = SchoolPolicy(marks_in_grade_one=True)
    async with running.database.transaction(school(home)) as conn:
        await policy_queries.set_policy(
            conn, home, valid_from=NOW.date().replace(month=9), policy=allowing, changed_by="head", now=NOW
        )
    await marked(running, *(a_mark(f"k{number}", student_id="n1") for number in range(3)))
    assert len(await running.rows("SELECT * FROM forecast_due")) == 1
    assert await worked(running) == []
    assert await stored(running) == []


async def test_a_class_with_quarters_gets_no_forecast_for_the_half_year(running: Journal) -> None:
    await running.take({"periods": MORE_PERIODS})
    await marked(running, a_mark("k1"), a_mark("k2"))
    (event,) = await worked(running)
    assert event.period.kind is PeriodKind.QUARTER


async def test_passed_and_not_assessed_are_no_numbers(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2", "зач"), a_mark("k3", "незач"))
    assert await worked(running) == []
    await marked(running, a_mark("k4"))
    (event,) = await worked(running)
    assert event.marks_counted == 2


async def of_second_quarter(running: Journal, value: str) -> ForecastUpdated:
    """The forecast of the second quarter after a final grade of the first one."""
    await running.take({"periods": MORE_PERIODS})
    await send(running, RecordKind.FINAL_GRADES, a_grade("f1", student_id="s2", subject_id="rus", value=value))
    running.clock.advance(timedelta(days=30))
    await marked(running, a_mark("k1", "4", lesson_on="2026-11-10"), a_mark("k2", "4", lesson_on="2026-11-11"))
    return (await worked(running))[-1]


@pytest.mark.parametrize(("better", "worse"), [("5", "3"), ("5", "н/а"), ("н/а", "2")])
async def test_the_final_grade_before_moves_the_forecast_and_not_assessed_is_none(
    running: Journal, better: str, worse: str
) -> None:
    running.clock.advance(timedelta(days=9))
    high = await of_second_quarter(running, better)
    grade = a_grade("f1", student_id="s2", subject_id="rus", value=worse)
    await send(running, RecordKind.FINAL_GRADES, grade)
    await worked(running)
    (low,) = await stored(running)
    assert high.probabilities.p5 > low["probabilities"][3]


async def test_a_school_without_a_past_starts_even_and_one_with_it_from_its_frequencies(running: Journal) -> None:
    await marked(running, a_mark("k1", "4"), a_mark("k2", "4"))
    (even,) = await worked(running)
    past = "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
    past += "o4,1,quarter,4,2025/2026,2026-04-01,2026-05-25\n"
    students = [f"z{number}" for number in range(40)]
    await running.take(
        {
            "periods": past,
            "people": "person_id,role,family,given,patronymic,birth_date,school_id\n"
            + "".join(f"{name},student,Бывший,Лев,,,1\n" for name in students),
            "final_grades": "result_id,student_id,subject_id,period_id,value,obtained_at,held\n"
            + "".join(f"{name}-f,{name},rus,o4,3,2026-05-25T10:00:00+03:00,\n" for name in students),
        }
    )
    await marked(running, a_mark("k3", "зач"))
    await worked(running)
    (row,) = await stored(running)
    assert row["marks_counted"] == 2
    assert row["probabilities"][1] > even.probabilities.p3 + 0.1


async def test_the_year_follows_from_its_quarters_and_the_running_forecast(running: Journal) -> None:
    running.clock.advance(timedelta(days=9))
    await running.take({"periods": MORE_PERIODS})
    await running.take({"periods": YEAR})
    await send(running, RecordKind.FINAL_GRADES, a_grade("f1", student_id="s2", subject_id="rus", value="5"))
    running.clock.advance(timedelta(days=30))
    await marked(running, *(a_mark(f"k{number}", "4", lesson_on="2026-11-10") for number in range(6)))
    told = {event.period.kind: event for event in await worked(running)}
    assert set(told) == {PeriodKind.QUARTER, PeriodKind.YEAR}
    year, quarter = told[PeriodKind.YEAR], told[PeriodKind.QUARTER]
    assert (quarter.leading, year.leading, year.marks_counted) == ("4", "4", 6)
    assert year.probabilities.p5 > quarter.probabilities.p5
    assert year.aggregate() != quarter.aggregate()


async def test_two_processes_do_nothing_twice(running: Journal) -> None:
    subjects = [f"u{number}" for number in range(8)]
    await running.take({"subjects": "subject_id,title\n" + "".join(f"{name},{name}\n" for name in subjects)})
    for number in range(32):
        # Four rows that ask for the same stand side by side, one for each worker.
        await marked(running, a_mark(f"k{number}", str(2 + number % 4), subject_id=subjects[number // 4]))
    there = (a_mark(f"o{number}", student_id="s3", subject_id="phy") for number in range(3))
    await marked(running, *there, school="2")
    workers = [Forecasting(running.database, running.clock, batch=1) for _ in range(4)]
    # Connections are there before the work begins, so that all four begin at once.
    await asyncio.gather(*(running.rows("SELECT pg_sleep(0.2)") for _ in workers))

    async def work_off(worker: Forecasting) -> int:
        rows = 0
        while handled := await worker.work():
            rows += handled
        return rows

    due = len(await running.rows("SELECT * FROM forecast_due"))
    while await running.rows("SELECT * FROM forecast_due LIMIT 1"):
        due -= sum(await asyncio.gather(*(work_off(worker) for worker in workers)))
    assert due == 0
    told = [(event.aggregate(), event.revision) for event in forecasts(await running.told())]
    assert len(told) >= 9
    assert len(told) == len(set(told))
    assert {row["forecast_id"]: row["revision"] for row in await stored(running)} == dict(sorted(told))


async def test_one_school_at_a_time_is_worked_on_by_one_process(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    async with running.database.transaction(DISTRICT) as conn:
        assert await queries.try_lock(conn, await running.id_of("school", "1"))
        assert await Forecasting(running.database, running.clock).work() == 0
    assert len(await worked(running)) == 1


async def test_a_mark_given_while_its_forecast_is_computed_is_not_lost_and_waits_for_nothing(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    home = await running.id_of("school", "1")
    async with running.database.transaction(DISTRICT) as conn:
        rows = await queries.due(conn, home, 100)
        async with asyncio.timeout(10):
            await marked(running, a_mark("k3", "2"), a_mark("k4", "2"), a_mark("k5", "2"))
        await queries.done(conn, [row.due_id for row in rows])
    (event,) = await worked(running)
    assert event.marks_counted == 5


async def test_an_import_asks_once_for_each_student_subject_and_period(running: Journal) -> None:
    lines = [f"i{number},s{1 + number % 2},rus,,2026-10-12,answer,,5" for number in range(6000)]
    header = "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\n"
    report = await running.take({"marks": header + "\n".join(lines)})
    assert report.exit_code == 0
    assert len(await running.rows("SELECT * FROM forecast_due")) == 2


async def test_marks_of_years_long_past_ask_for_nothing(running: Journal) -> None:
    header = "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
    await running.take({"periods": f"{header}o1,1,quarter,1,2025/2026,2025-09-01,2025-10-25\n"})
    await marked(running, a_mark("k1", lesson_on="2025-10-12"), a_mark("k2", lesson_on="2025-10-12"))
    assert await running.rows("SELECT * FROM forecast_due") == []


async def test_other_borders_have_every_forecast_computed_anew(running: Journal) -> None:
    await marked(running, *(a_mark(f"k{number}", "4") for number in range(12)))
    (event,) = await worked(running)
    assert event.leading == "4"
    home = await running.id_of("school", "1")
    mild = SchoolPolicy.model_validate({"borders": {"three": "2.5", "four": "3.3", "five": "3.8"}})
    async with running.database.transaction(school(home)) as conn:
        await policy_queries.set_policy(
            conn, home, valid_from=NOW.date().replace(month=9), policy=mild, changed_by="head", now=NOW
        )
    (second,) = await worked(running)
    assert (second.leading, second.revision) == ("5", 2)


async def test_a_longer_period_has_its_forecasts_computed_anew_and_a_closed_one_does_not(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    (event,) = await worked(running)
    (before,) = await stored(running)
    async with running.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE periods SET closed_at = $1", NOW)
    assert await running.rows("SELECT * FROM forecast_due") == []
    header = "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
    await running.take({"periods": f"{header}q1,1,quarter,1,2026/2027,2026-09-01,2026-12-28\n"})
    await worked(running)
    (after,) = await stored(running)
    assert after["probabilities"] != before["probabilities"]
    assert event.probabilities.p5 == before["probabilities"][3]


async def test_a_replay_tells_the_same_under_the_same_ids(running: Journal) -> None:
    await marked(running, *(a_mark(f"k{number}", "4") for number in range(4)))
    (first,) = await worked(running)
    await marked(running, a_mark("k4", "4"))
    assert await worked(running) == []
    await replay(running.database)
    (again,) = forecasts(await running.told())
    assert again == first
    assert again.event_id() == first.event_id()


async def answers(journal: Journal, kind: str, name: str, by: str = "1", **query: Any) -> Any:
    """What the API answers to a school's client about its student or group."""
    service = Service(
        settings := Settings(database_url="unused", kafka_bootstrap="unused"),
        journal.database,
        "Gradebook",
        routers=[make_router(journal.database, journal.clock, settings)],
    )
    home = await journal.id_of("school", by)
    async with journal.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=home, label="test")
    our_id = await journal.id_of("person" if kind == "students" else "group", name)
    transport = httpx.ASGITransport(service.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://gradebook") as http:
        path = f"/v1/schools/{home}/{kind}/{our_id}/forecasts"
        answer = await http.get(path, params=query, headers={"Authorization": f"Bearer {token}"})
        foreign = await http.get(
            path.replace(str(home), str(await journal.id_of("school", "2" if by == "1" else "1"))),
            headers={"Authorization": f"Bearer {token}"},
        )
    assert foreign.status_code == 403
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_school_reads_its_forecasts_in_words_and_no_other_school_does(running: Journal) -> None:
    await marked(running, *(a_mark(f"k{number}", "4") for number in range(3)))
    await marked(running, *(a_mark(f"a{number}", "3", subject_id="phy") for number in range(3)))
    there = (a_mark(f"o{number}", student_id="s3", subject_id="phy") for number in range(3))
    await marked(running, *there, school="2")
    await worked(running)

    russian, physics = await answers(running, "students", "s2")
    assert (russian["subject"], russian["leading"]) == ("Русский язык", "4")
    assert (physics["subject"], physics["leading"]) == ("Физика", "3")
    assert russian["words"]["ru"]["headline"].endswith(" 4")
    assert russian["words"]["ru"]["needed"].startswith(("До 5", "Оценка 5"))
    assert russian["words"]["en"]["needed"].startswith(("For a 5", "A 5"))
    assert (russian["kind"], russian["number"], russian["marks_counted"]) == ("quarter", 1, 3)

    in_class = await answers(running, "groups", "7a", subject=str(await running.id_of("subject", "rus")))
    assert [(row["student_id"], row["subject"]) for row in in_class] == [(russian["student_id"], "Русский язык")]
    assert len(await answers(running, "groups", "7a")) == 2
    assert await answers(running, "students", "s2", by="2") == []
    assert await answers(running, "groups", "7a", by="2") == []
    assert len(await answers(running, "groups", "7b-2", by="2")) == 1


async def test_row_level_security_shows_a_school_its_own_and_nobody_anything(running: Journal) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    await worked(running)
    await marked(running, a_mark("k3"))
    found = {}
    for number in ("1", "2"):
        async with running.database.transaction(school(await running.id_of("school", number))) as conn:
            found[number] = [await conn.fetchval(f"SELECT count(*) FROM {t}") for t in ("forecasts", "forecast_due")]
            await conn.execute("SELECT set_config('sutki.scope', '', true)")
            assert await conn.fetchval("SELECT count(*) FROM forecasts") == 0
    assert found == {"1": [1, 1], "2": [0, 0]}


CRASH = """
import asyncio, sys
from datetime import datetime
from chassis.clock import FixedClock
from chassis.database import Database
from services.gradebook.forecasting.loop import Forecasting

async def main() -> None:
    database = await Database.connect(sys.argv[1], application_name="crash")
    await Forecasting(database, FixedClock(datetime.fromisoformat(sys.argv[2]))).work()

asyncio.run(main())
"""


async def test_a_crash_before_the_commit_leaves_everything_due_and_nothing_told(
    running: Journal, service_database: ServiceDatabases
) -> None:
    await marked(running, a_mark("k1"), a_mark("k2"))
    await running.told()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CRASH,
        (await service_database.urls("gradebook")).app,
        running.clock.at.isoformat(),
        env=os.environ | {"SUTKI_CRASH_AT": "gradebook.after_forecasts_before_commit"},
    )
    assert await asyncio.wait_for(process.wait(), 60) == CRASHED
    assert forecasts(await running.told()) == []
    assert await stored(running) == []
    (event,) = await worked(running)
    assert last([event], ForecastUpdated).revision == 1
