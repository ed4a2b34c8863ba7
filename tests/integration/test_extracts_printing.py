"""Numbers, printing, jams and hand-over: once each, without gaps, whoever dies or works at the same time."""

import asyncio
import stat
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import typst
from pypdf import PdfReader

from chassis.crash import CRASHED
from chassis.database import DISTRICT, school
from contracts.base import Event, SchoolId
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from services.extracts import handlers, rendering
from services.extracts.domain import HandOverFault
from services.extracts.handlers import HandOverRefused
from services.extracts.housekeeping import Retention
from services.extracts.print_due import print_due
from services.extracts.rendering import Renderer
from services.extracts.rendering_job import RenderingJob
from services.extracts.replay import replay
from tests.integration.extracts_office import HOUR, Family, Office, Request
from tests.support.builders import OBTAINED_AT, SCHOOL, a_final_grade, a_school
from tests.support.databases import ServiceDatabases

ROOT = Path(__file__).resolve().parents[2]
OTHER_SCHOOL = SchoolId(UUID("5c400100-0000-4000-8000-000000000002"))

_DIE = """
import asyncio, sys
from uuid import UUID
from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from datetime import datetime
from services.extracts import handlers, rendering
from services.extracts.rendering import Renderer
from services.extracts.rendering_job import RenderingJob

async def main():
    database = await Database.connect(sys.argv[1], application_name="test.victim")
    clock = FixedClock(datetime.fromisoformat(sys.argv[2]))
    extracts = [UUID(one) for one in sys.argv[4:]]
    if sys.argv[3] == "render":
        await RenderingJob(database, clock, Renderer(threads=1)).round()
    elif sys.argv[3] == "print":
        await handlers.mark_printed(database, clock, DISTRICT, extracts, by="desk 1")
    else:
        await handlers.mark_handed_over(database, clock, DISTRICT, extracts[0], way="in_person", by="desk 1")

asyncio.run(main())
"""


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    renderer = Renderer(threads=2)
    yield Office(await service_database("extracts"), renderer)
    renderer.close()


async def requested(office: Office, number: int, school_id: SchoolId = SCHOOL) -> list[Request]:
    """Families of a school, each of which waits for a sheet."""
    requests: list[Request] = []
    events: list[Event] = [a_school().but(id=school_id).event()]
    for index in range(number):
        family = Family()
        family = Family(family.mother.at_school(school_id), family.student.at_school(school_id))
        grade = a_final_grade().of(family.student).obtained(OBTAINED_AT + timedelta(seconds=index))
        requests.append(Request(family, (grade,)))
        events += [*family.known(), grade.event(), requests[-1].event()]
    await office.hears(*events)
    return requests


async def rendered(office: Office, number: int, school_id: SchoolId = SCHOOL) -> list[Request]:
    requests = await requested(office, number, school_id)
    await office.renders()
    return requests


async def prints(office: Office, *requests: Request) -> handlers.Outcome:
    ids = [request.extract_id for request in requests]
    return await handlers.mark_printed(office.database, office.clock, DISTRICT, ids, by="desk 1")


async def dies(service_database: ServiceDatabases, office: Office, point: str, what: str, *requests: Request) -> None:
    """Another process does the work and dies at the named point."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _DIE,
        (await service_database.urls("extracts")).app,
        office.clock.at.isoformat(),
        what,
        *(str(request.extract_id) for request in requests),
        cwd=ROOT,
        env={"SUTKI_CRASH_AT": point, "PATH": ""},
    )
    assert await asyncio.wait_for(process.wait(), 60) == CRASHED


async def numbers_given(office: Office, school_id: SchoolId = SCHOOL) -> list[int]:
    rows = await office.fetch(
        "SELECT ordinal FROM hand_over_register WHERE kind = 'numbered' AND school_id = $1 ORDER BY ordinal", school_id
    )
    return [row["ordinal"] for row in rows]


async def test_numbers_have_no_gaps_when_four_rendering_jobs_work_at_once(office):
    await requested(office, 40)
    await requested(office, 20, OTHER_SCHOOL)
    jobs = [RenderingJob(office.database, office.clock, office.renderer, batch=7) for _ in range(4)]

    async def work(job: RenderingJob) -> None:
        while await job.round():
            pass

    await asyncio.gather(*(work(job) for job in jobs))
    assert await numbers_given(office) == list(range(1, 41))
    assert await numbers_given(office, OTHER_SCHOOL) == list(range(1, 21))
    assert await office.value("SELECT count(*) FROM extracts WHERE state = 'rendered'") == 60
    sheets = await office.fetch("SELECT e.number, s.sheet FROM sheets s JOIN extracts e USING (extract_id)")
    assert all(row["sheet"]["number"] == row["number"] for row in sheets)


async def test_four_print_runs_at_once_print_every_sheet_once(office, tmp_path):
    requests = await rendered(office, 40)

    async def confirm(run, files) -> bool:
        await asyncio.sleep(0)
        return True

    runs = await asyncio.gather(
        *(
            print_due(
                office.database,
                office.clock,
                office.renderer,
                school_id=SCHOOL,
                into=tmp_path / str(printer),
                by=f"printer {printer}",
                confirm=confirm,
                limit=10,
            )
            for printer in range(4)
        )
    )
    done = [extract_id for run in runs for extract_id in run.outcome.done]
    assert sorted(done) == sorted(request.extract_id for request in requests)
    told = await office.told()
    assert sorted(event.number for event in told if isinstance(event, ExtractPrinted)) == [
        f"2026/{ordinal:06d}" for ordinal in range(1, 41)
    ]


@pytest.mark.parametrize(
    "point",
    [
        "extracts.after_numbering_before_commit",
        "extracts.after_numbering",
        "extracts.after_render_before_commit",
        "extracts.after_render_commit",
    ],
)
async def test_whoever_dies_while_rendering_leaves_no_gap_and_no_second_number(office, service_database, point):
    requests = await requested(office, 3)
    await dies(service_database, office, point, "render")
    numbers = {request.id: await office.number(request) for request in requests}
    office.clock.advance(timedelta(days=100))
    await office.renders()
    assert await numbers_given(office) == [1, 2, 3]
    for request in requests:
        assert await office.state(request) == "rendered"
        assert numbers[request.id] in (None, await office.number(request))
        day = "23 октября 2026 г." if numbers[request.id] else "31 января 2027 г."
        if point != "extracts.after_numbering_before_commit":
            assert (await office.sheet(request))["date"] == day


@pytest.mark.parametrize("point", ["extracts.after_printed_before_commit", "extracts.after_printed_commit"])
async def test_whoever_dies_while_registering_leaves_all_or_nothing(office, service_database, point):
    requests = await rendered(office, 3)
    await dies(service_database, office, point, "print", *requests)
    committed = 3 if point.endswith("after_printed_commit") else 0
    assert len(await office.told()) == committed
    assert [kind for _, kind in await office.register()].count("printed") == committed
    outcome = await prints(office, *requests)
    assert (len(outcome.done), len(outcome.already)) == (3 - committed, committed)
    assert len({event.event_id() for event in await office.told()}) == len(await office.told()) == 3


async def test_whoever_dies_while_registering_a_hand_over_leaves_nothing(office, service_database):
    (request,) = await rendered(office, 1)
    await prints(office, request)
    await dies(service_database, office, "extracts.after_handed_over_before_commit", "hand over", request)
    assert await office.state(request) == "printed"
    assert len(await office.told()) == 1


async def test_printing_is_registered_and_told_once(office):
    requests = await rendered(office, 2)
    assert len((await prints(office, *requests)).done) == 2
    again = await prints(office, *requests, requests[0])
    assert (again.done, sorted(again.already)) == ([], sorted(request.extract_id for request in requests))
    told = await office.told()
    assert len(told) == 2
    by_id = {event.extract_id: event for event in told}
    for request in requests:
        event = by_id[request.extract_id]
        assert isinstance(event, ExtractPrinted)
        assert (event.revision, event.request_id, event.printed_at) == (1, request.id, office.clock.at)
        assert [item.result_id for item in event.items] == [result.id for result in request.results]


async def test_two_who_register_the_same_sheets_at_once_tell_it_once(office):
    requests = await rendered(office, 10)
    outcomes = await asyncio.gather(prints(office, *requests), prints(office, *reversed(requests)))
    assert sorted(len(outcome.done) for outcome in outcomes) == [0, 10]
    assert len(await office.told()) == 10


async def test_what_is_not_in_the_queue_is_refused_and_the_rest_is_registered(office):
    good, cancelled = await rendered(office, 2)
    await office.hears(cancelled.event(2, "cancelled"))
    unknown = uuid4()
    ids = [good.extract_id, cancelled.extract_id, unknown]
    outcome = await handlers.mark_printed(office.database, office.clock, DISTRICT, ids, by="desk 1")
    assert outcome.done == [good.extract_id]
    assert outcome.refused == {cancelled.extract_id: "not_in_queue", unknown: "not_found"}


async def test_another_schools_sheets_are_not_found(office):
    (request,) = await rendered(office, 1)
    outcome = await handlers.mark_printed(
        office.database, office.clock, school(OTHER_SCHOOL), [request.extract_id], by="desk 1"
    )
    assert outcome.refused == {request.extract_id: "not_found"}
    assert await office.state(request) == "rendered"


async def test_a_sheet_corrected_while_the_printer_had_it_is_refused_and_printed_anew(office):
    (request,) = await rendered(office, 1)
    run = await handlers.open_print_run(office.database, office.clock, DISTRICT, SCHOOL)
    await office.hears(request.results[0].corrected_to("5", OBTAINED_AT + HOUR).event())
    assert (await prints(office, request)).refused == {request.extract_id: "changed_since_taken"}
    await office.renders()
    assert (await prints(office, request)).refused == {request.extract_id: "changed_since_taken"}
    again = await handlers.open_print_run(office.database, office.clock, DISTRICT, SCHOOL)
    assert again.extract_ids == run.extract_ids
    assert (await prints(office, request)).done == [request.extract_id]


async def test_a_print_run_keeps_its_sheets_from_others_until_it_is_given_up(office):
    await rendered(office, 3)

    async def take() -> handlers.PrintRun:
        return await handlers.open_print_run(office.database, office.clock, DISTRICT, SCHOOL, limit=2)

    first, second, third = await take(), await take(), await take()
    assert [len(run.extract_ids) for run in (first, second, third)] == [2, 1, 0]
    await handlers.give_back(office.database, DISTRICT, first.run_id)
    assert (await take()).extract_ids == first.extract_ids
    office.clock.advance(timedelta(minutes=31))
    assert (await take()).extract_ids == first.extract_ids


async def test_the_queue_is_in_the_order_of_urgency_and_can_be_cut_at_a_deadline(office):
    requests = await rendered(office, 3)
    within = requests[1].results[0].due_at - office.clock.at
    queued = await handlers.print_queue(office.database, office.clock, DISTRICT, SCHOOL, due_within=within)
    assert [one.extract.extract_id for one in queued] == [request.extract_id for request in requests[:2]]


async def test_printing_writes_one_pdf_for_its_owner_only_and_registers_after_the_yes(office, tmp_path):
    requests = await rendered(office, 3)
    seen = []

    async def confirm(run, files) -> bool:
        seen.extend(await office.told())
        (file,) = files
        assert len(PdfReader(file).pages) == 3
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return True

    printed = await print_due(
        office.database,
        office.clock,
        office.renderer,
        school_id=SCHOOL,
        into=tmp_path / "out",
        by="desk 1",
        confirm=confirm,
    )
    assert seen == []
    assert printed.outcome.done == [request.extract_id for request in requests]
    assert len(await office.told()) == 3


async def test_printing_that_nobody_confirms_changes_nothing(office, tmp_path):
    requests = await rendered(office, 2)

    async def no(run, files) -> bool:
        assert sorted(file.stem for file in files) == sorted(str(request.extract_id) for request in requests)
        return False

    async def out_of_paper(run, files) -> bool:
        raise RuntimeError("out of paper")

    common = {"school_id": SCHOOL, "into": tmp_path, "by": "desk 1", "combined": False}
    declined = await print_due(office.database, office.clock, office.renderer, confirm=no, **common)
    assert not declined.confirmed
    with pytest.raises(RuntimeError, match="out of paper"):
        await print_due(office.database, office.clock, office.renderer, confirm=out_of_paper, **common)
    assert await office.told() == []
    free = await handlers.open_print_run(office.database, office.clock, DISTRICT, SCHOOL)
    assert len(free.extract_ids) == 2


async def test_a_jammed_sheet_is_printed_again_under_its_number(office):
    (request,) = await rendered(office, 1)
    await prints(office, request)
    outcome = await handlers.report_jam(office.database, office.clock, DISTRICT, [request.extract_id], by="desk 1")
    assert outcome.done == [request.extract_id]
    await office.renders()
    office.clock.advance(HOUR)
    assert (await prints(office, request)).done == [request.extract_id]
    assert await office.register() == [("2026/000001", kind) for kind in ("numbered", "printed", "jammed", "printed")]
    told = await office.told()
    assert [event.revision for event in told] == [1, 2]
    assert len({event.event_id() for event in told}) == 2


async def test_what_was_handed_over_cannot_jam(office):
    (request,) = await rendered(office, 1)
    await prints(office, request)
    await hand_over(office, request)
    outcome = await handlers.report_jam(office.database, office.clock, DISTRICT, [request.extract_id], by="desk 1")
    assert outcome.refused == {request.extract_id: "not_printed"}


async def hand_over(office: Office, request: Request, way="in_person", **how):
    return await handlers.mark_handed_over(
        office.database, office.clock, DISTRICT, request.extract_id, way=way, by="desk 1", **how
    )


async def test_a_hand_over_is_registered_and_told_once(office):
    (request,) = await rendered(office, 1)
    await prints(office, request)
    office.clock.advance(HOUR)
    await hand_over(office, request)
    await hand_over(office, request)
    with pytest.raises(HandOverRefused) as refused:
        await hand_over(office, request, way="by_post")
    assert refused.value.fault is HandOverFault.ALREADY_HANDED_OVER
    assert [kind for _, kind in await office.register()] == ["numbered", "printed", "handed_over"]
    event = (await office.told())[-1]
    assert isinstance(event, ExtractHandedOver)
    assert (event.way, event.handed_over_at) == ("in_person", office.clock.at)


async def test_what_is_not_printed_cannot_be_handed_over(office):
    (request,) = await rendered(office, 1)
    with pytest.raises(HandOverRefused):
        await hand_over(office, request)
    assert await office.told() == []


async def test_the_register_is_append_only_even_for_its_owner(office, service_database):
    (request,) = await rendered(office, 1)
    await prints(office, request)
    statements = (
        "UPDATE hand_over_register SET number = '2026/000009'",
        "DELETE FROM hand_over_register",
        "TRUNCATE hand_over_register",
    )
    for url in ((await service_database.urls("extracts")).app, (await service_database.urls("extracts")).owner):
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("SELECT set_config('sutki.scope', 'district', false)")
            for statement in statements:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()
    assert len(await office.register()) == 2


async def test_a_replay_tells_the_same_events_with_the_same_ids(office):
    first, second = await rendered(office, 2)
    await prints(office, first, second)
    await hand_over(office, first)
    await handlers.report_jam(office.database, office.clock, DISTRICT, [second.extract_id], by="desk 1")
    await office.renders()
    await prints(office, second)
    told = await office.told()
    await office.fetch("DELETE FROM outbox")
    assert await replay(office.database) == len(told) == 4
    again = await office.told()
    assert sorted(again, key=lambda event: event.event_id()) == sorted(told, key=lambda event: event.event_id())


async def test_old_sheets_are_deleted_and_the_register_stays(office):
    old, waiting = await rendered(office, 2)
    await prints(office, old)
    retention = Retention(office.database, office.clock, keep=timedelta(days=30))
    assert await retention.round() == 0
    office.clock.advance(timedelta(days=31))
    assert await retention.round() == 1
    assert await office.sheet(old) is None
    assert await office.sheet(waiting) is not None
    assert ("2026/000001", "printed") in await office.register()


async def test_a_new_year_starts_its_own_numbers(office):
    await rendered(office, 2)
    office.clock.at = OBTAINED_AT.replace(year=2027)
    later = await rendered(office, 1)
    assert await office.number(later[0]) == "2027/000001"


async def test_a_sheet_that_cannot_be_set_rests_and_holds_nobody_up(office, monkeypatch):
    bad, good = await requested(office, 2)
    real = rendering.render

    def failing(sheets):
        if sheets[0]["student"] == "Сломанная":
            raise typst.TypstError("no", "")
        return real(sheets)

    await office.hears(bad.family.student.named("Сломанная", " ").as_of(2).event())
    with monkeypatch.context() as patched:
        patched.setattr(rendering, "render", failing)
        await office.job.round()
    assert (await office.state(bad), await office.state(good)) == ("numbered", "rendered")
    found = await handlers.find(office.database, office.clock, DISTRICT, bad.extract_id)
    assert found is not None
    assert found[1] == ["rendering_failed"]
    assert await office.job.round() == 0
    office.clock.advance(timedelta(seconds=6))
    await office.renders()
    assert await office.state(bad) == "rendered"
