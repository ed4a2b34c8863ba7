"""What becomes of requests: whatever order things come in, whatever is corrected, cancelled or erased."""

import itertools
from collections.abc import AsyncIterator
from datetime import date
from uuid import uuid4

import pytest

from chassis.database import DISTRICT, Scope, school
from services.extracts import handlers
from services.extracts.domain import Lack
from services.extracts.queries import measuring
from services.extracts.rebuild import drop_read_model
from services.extracts.rendering import Renderer
from tests.integration.extracts_office import HOUR, Family, Office, Request, texts
from tests.support.builders import OBTAINED_AT, SCHOOL, a_final_grade, a_school, an_exam_result
from tests.support.databases import ServiceDatabases

TABLES = (
    "schools",
    "persons",
    "result_versions",
    "extracts",
    "extract_items",
    "sheets",
    "register_counters",
    "hand_over_register",
)


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    renderer = Renderer(threads=2)
    yield Office(await service_database("extracts"), renderer)
    renderer.close()


@pytest.fixture
def family() -> Family:
    return Family()


async def test_a_request_becomes_a_sheet_in_the_print_queue(office, family):
    grade, exam = a_final_grade().of(family.student), an_exam_result().of(family.student)
    request = Request(family, (grade, exam))
    await office.hears(a_school().event(), *family.known(), grade.event(), exam.event(), request.event())
    await office.renders()
    (queued,) = await handlers.print_queue(office.database, office.clock, DISTRICT, SCHOOL)
    assert queued.extract.number == "2026/000001"
    assert (queued.student, queued.class_name) == ("Примерова Анна Образцовна", "7А")
    assert queued.recipient == "Образцова Мария Петровна"
    assert queued.extract.due_at == grade.due_at
    pdf = await handlers.pdf_of(office.database, DISTRICT, request.extract_id)
    assert pdf is not None
    assert pdf.startswith(b"%PDF")


async def test_the_order_in_which_events_arrive_changes_nothing(office):
    for order in itertools.permutations(range(5)):
        family = Family()
        grade = a_final_grade().of(family.student)
        request = Request(family, (grade,))
        events = [a_school().event(), *family.known(), grade.event(), request.event()]
        await office.hears_one_by_one(*(events[index] for index in order))
        await office.renders()
        assert await office.state(request) == "rendered"
    assert await office.dead_letters() == []


async def test_what_is_missing_is_named_until_it_arrives(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))

    async def lacks() -> list[Lack]:
        await office.renders()
        found = await handlers.find(office.database, office.clock, DISTRICT, request.extract_id)
        assert found is not None
        return found[1]

    await office.hears(request.event())
    assert await lacks() == [Lack.SCHOOL, Lack.STUDENT, Lack.RECIPIENT, Lack.RESULTS]
    await office.hears(a_school().event(), family.student.event())
    assert await lacks() == [Lack.RECIPIENT, Lack.RESULTS]
    await office.hears(grade.event())
    assert await lacks() == [Lack.RECIPIENT]
    assert await office.number(request) is None
    await office.hears(family.mother.event())
    assert await lacks() == []
    assert await office.state(request) == "rendered"


async def test_a_repeated_event_changes_nothing_even_when_the_inbox_was_pruned(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    events = [a_school().event(), *family.known(), grade.event(), request.event()]
    await office.hears(*events)
    await office.renders()
    before = await office.fetch("SELECT * FROM extracts")
    await office.fetch("DELETE FROM inbox")
    await office.hears(*reversed(events))
    await office.renders()
    assert await office.fetch("SELECT * FROM extracts") == before
    assert await office.register() == [("2026/000001", "numbered")]


async def test_an_older_revision_of_anything_is_ignored(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await office.hears(
        a_school().named("Школа № 2").as_of(3).event(),
        family.mother.event(),
        family.student.in_class("8Б").as_of(3).event(),
        grade.value("5").but(revision=3).event(),
        request.event(3),
    )
    await office.hears(
        a_school().as_of(2).event(),
        family.student.as_of(2).event(),
        grade.value("2").but(revision=2).event(),
        request.event(2, "cancelled"),
    )
    await office.renders()
    sheet = await office.sheet(request)
    assert sheet["school"]["name"] == "Школа № 2"
    assert sheet["class"] == "8Б"
    assert texts(sheet["grades"], "value") == ["5"]


async def test_a_request_cancelled_before_it_is_numbered_leaves_no_trace_in_the_register(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await office.hears(request.event())
    await office.hears(request.event(2, "cancelled"))
    await office.hears(a_school().event(), *family.known(), grade.event())
    await office.renders()
    assert await office.state(request) == "cancelled"
    assert await office.register() == []


async def test_a_request_cancelled_before_printing_leaves_the_queue_and_its_number_is_annulled(office, family):
    grade = a_final_grade().of(family.student)
    first, second = Request(family, (grade,)), Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), first.event())
    await office.renders()
    await office.hears(first.event(2, "cancelled"), second.event())
    await office.renders()
    queued = await handlers.print_queue(office.database, office.clock, DISTRICT, SCHOOL)
    assert [one.extract.number for one in queued] == ["2026/000002"]
    assert await office.register() == [
        ("2026/000001", "numbered"),
        ("2026/000001", "annulled"),
        ("2026/000002", "numbered"),
    ]
    assert await office.sheet(first) is None


async def test_a_request_cancelled_after_printing_leaves_the_printed_fact(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    await handlers.mark_printed(office.database, office.clock, DISTRICT, [request.extract_id], by="desk 1")
    await office.hears(request.event(2, "cancelled"))
    assert await office.state(request) == "printed"
    assert await office.register() == [("2026/000001", "numbered"), ("2026/000001", "printed")]
    assert await office.value("SELECT request_revision FROM extracts") == 2


async def test_a_cancelled_request_that_is_wanted_again_gets_a_new_number(office, family):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    await office.hears(request.event(2, "cancelled"))
    await office.hears(request.event(3))
    await office.renders()
    assert await office.number(request) == "2026/000002"
    assert await office.state(request) == "rendered"


async def test_a_request_with_other_items_is_rendered_again_under_its_number(office, family):
    algebra = a_final_grade().of(family.student)
    physics = a_final_grade().in_subject("Физика").of(family.student)
    request = Request(family, (algebra,))
    await office.hears(a_school().event(), *family.known(), algebra.event(), physics.event(), request.event())
    await office.renders()
    await office.hears(request.event(2, "requested", algebra, physics))
    await office.renders()
    assert texts((await office.sheet(request))["grades"], "subject") == ["Алгебра", "Физика"]
    assert await office.number(request) == "2026/000001"


async def test_a_sheet_that_waits_in_the_queue_follows_a_correction(office, family):
    grade = a_final_grade().value("3").of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    corrected = grade.corrected_to("5", OBTAINED_AT + HOUR)
    await office.hears(corrected.event())
    assert await handlers.print_queue(office.database, office.clock, DISTRICT, SCHOOL) == []
    await office.renders()
    assert texts((await office.sheet(request))["grades"], "value") == ["5"]
    await handlers.mark_printed(office.database, office.clock, DISTRICT, [request.extract_id], by="desk 1")
    (event,) = await office.told()
    assert [item.value_revision for item in event.items] == [2]


async def test_a_correction_that_is_held_is_not_told_on_a_sheet_asked_for_before(office, family):
    grade = a_final_grade().value("3").of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    await office.hears(grade.corrected_to("5", OBTAINED_AT + HOUR).held().event())
    await office.renders()
    assert texts((await office.sheet(request))["grades"], "value") == ["3"]
    assert await office.state(request) == "rendered"


async def test_a_held_correction_in_the_same_batch_does_not_swallow_the_value_before_it(office, family):
    grade = a_final_grade().value("3").of(family.student)
    request = Request(family, (grade,))
    held = grade.corrected_to("5", OBTAINED_AT + HOUR).held()
    await office.hears(a_school().event(), *family.known(), grade.event(), held.event(), request.event())
    await office.renders()
    assert texts((await office.sheet(request))["grades"], "value") == ["3"]


async def test_a_version_that_a_later_one_overtook_keeps_nobody_waiting(office, family):
    grade = a_final_grade().value("3").of(family.student)
    request = Request(family, (grade,))
    corrected = grade.corrected_to("4", OBTAINED_AT + HOUR)
    await office.hears(a_school().event(), *family.known(), corrected.event(), request.event())
    await office.renders()
    assert texts((await office.sheet(request))["grades"], "value") == ["4"]


async def test_a_release_takes_no_sheet_out_of_the_queue(office, family):
    grade = a_final_grade().held().of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    await office.hears(grade.released().event())
    assert await office.state(request) == "rendered"


async def test_deferrals_and_withdrawn_results_are_said_in_words(office, family):
    algebra = a_final_grade().of(family.student).deferred(date(2026, 11, 20))
    physics = a_final_grade().in_subject("Физика").of(family.student).withdrawn()
    request = Request(family, (algebra, physics))
    await office.hears(a_school().event(), *family.known(), algebra.event(), physics.event(), request.event())
    await office.renders()
    words = texts((await office.sheet(request))["grades"], "words")
    assert words == ["отсрочка до 20.11.2026", "отозвана"]


async def test_erasing_a_person_deletes_every_name_and_keeps_the_register(office, family):
    other = Family()
    grade, printed_grade = a_final_grade().of(family.student), a_final_grade().of(family.student)
    waiting, printed = Request(family, (grade,)), Request(family, (printed_grade,))
    kept_grade = a_final_grade().of(other.student)
    kept = Request(other, (kept_grade,))
    await office.hears(
        a_school().event(),
        *family.known(),
        *other.known(),
        *(one.event() for one in (grade, printed_grade, kept_grade, printed, kept)),
    )
    await office.renders()
    await handlers.mark_printed(office.database, office.clock, DISTRICT, [printed.extract_id], by="desk 1")
    await office.hears(waiting.event())
    await office.renders()
    await office.hears_of_erasure(family.student.id)
    assert await office.state(waiting) == "cancelled"
    assert await office.state(printed) == "printed"
    assert await office.sheet(waiting) is None
    assert await office.sheet(printed) is None
    assert await office.sheet(kept) is not None
    assert await office.fetch("SELECT 1 FROM persons WHERE person_id = $1", family.student.id) == []
    assert await office.fetch("SELECT 1 FROM result_versions WHERE student_id = $1", family.student.id) == []
    kinds = [kind for _, kind in await office.register()]
    assert sorted(kinds) == ["annulled", "numbered", "numbered", "numbered", "printed"]


async def test_the_read_model_can_be_dropped_and_comes_back_while_own_facts_stay(office, family):
    grade, late = a_final_grade().of(family.student), a_final_grade().in_subject("Физика").of(family.student)
    printed, waiting = Request(family, (grade,)), Request(family, (late,))
    events = [a_school().event(), *family.known(), grade.event(), printed.event(), waiting.event()]
    await office.hears(*events)
    await office.renders()
    await handlers.mark_printed(office.database, office.clock, DISTRICT, [printed.extract_id], by="desk 1")
    read_model = ["SELECT * FROM schools", "SELECT * FROM persons", "SELECT * FROM result_versions"]
    before = [await office.fetch(query) for query in read_model]
    own = ["SELECT * FROM extracts ORDER BY 1", "SELECT * FROM sheets", "SELECT * FROM hand_over_register"]
    facts = [await office.fetch(query) for query in own]

    await drop_read_model(office.database)
    assert [await office.fetch(query) for query in read_model] == [[], [], []]
    assert [await office.fetch(query) for query in own] == facts
    await office.renders()
    assert await office.state(waiting) == "requested"

    await office.hears(*events)
    assert [sorted(map(str, await office.fetch(query))) for query in read_model] == [
        sorted(map(str, rows)) for rows in before
    ]
    assert [await office.fetch(query) for query in own] == facts
    await office.hears(late.event())
    await office.renders()
    assert await office.state(waiting) == "rendered"


@pytest.mark.parametrize("scope", [Scope(""), school(uuid4())])
async def test_without_the_right_scope_nothing_is_visible(office, family, scope):
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await office.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await office.renders()
    for table in TABLES:
        count = f"SELECT count(*) FROM {table}"
        assert await office.value(count) > 0
        assert await office.value(count, scope=scope) == 0
        assert await office.value(count, scope=school(SCHOOL)) == await office.value(count)


async def test_the_queue_is_measured_by_state(office, family):
    grade, missing = a_final_grade().of(family.student), a_final_grade().of(family.student)
    ready, waiting = Request(family, (grade,)), Request(family, (missing,))
    await office.hears(a_school().event(), *family.known(), grade.event(), ready.event(), waiting.event())
    await office.renders()
    async with office.database.transaction(DISTRICT) as conn:
        now = await office.clock.now(conn)
        states = await measuring.states(conn, now)
        due = await measuring.earliest_due_seconds(conn, now)
        queues = await measuring.print_queues(conn)
    assert states == {"requested": (1, 50 * 60), "rendered": (1, 0)}
    assert due == 23 * 3600
    assert queues == {SCHOOL: 1}
