"""What is owed to whom: whatever order the events come in, and whatever changes while something is owed."""

import itertools
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from contracts.extract_requested import ExtractRequested
from contracts.values import Decision
from tests.integration.publisher_district import HOUR, SECOND, START, District, versions
from tests.support.databases import ServiceDatabases

SCREEN, PAPER, TOGETHER = "screen", "paper", "with_representative"


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def test_a_final_grade_is_owed_to_every_representative_and_the_student_within_24_hours(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    assert await district.states(result) == {
        family.mother: (SCREEN, "open"),
        family.father: (PAPER, "open"),
        family.student: (TOGETHER, "open"),
    }
    rows = (await district.obligations(result)).values()
    assert {row["due_at"] for row in rows} == {START + 24 * HOUR}
    assert {row["school_id"] for row in rows} == {district.school_id}


async def test_the_order_in_which_events_arrive_changes_nothing(district):
    await district.hear()
    outcomes = set()
    for order in itertools.permutations(range(5)):
        family, result = district.family(), uuid4()
        events = [
            district.school(),
            family.person(),
            family.account(family.mother),
            family.consent(family.mother),
            family.grade(result),
        ]
        for index in order:
            await district.tell(events[index])
        names = {family.mother: "mother", family.father: "father", family.student: "student"}
        outcomes.add(tuple(sorted((names[one], *how) for one, how in (await district.states(result)).items())))
    assert outcomes == {(("father", PAPER, "open"), ("mother", SCREEN, "open"), ("student", TOGETHER, "open"))}
    assert await district.dead_letters() == []


async def test_a_repeated_event_changes_nothing_even_when_the_inbox_was_pruned(district):
    family, result = await district.known_family(), uuid4()
    events = [family.person(), family.account(family.mother), family.consent(family.mother), family.grade(result)]
    visible = family.visible(result, family.mother, at=START + SECOND)
    await district.tell(*events, visible)
    before = await district.query("SELECT * FROM obligations ORDER BY recipient_id")
    entries = await district.ledger()
    await district.query("DELETE FROM inbox RETURNING 1")
    await district.tell(visible, *reversed(events))
    assert await district.query("SELECT * FROM obligations ORDER BY recipient_id") == before
    assert await district.ledger() == entries


async def test_an_older_revision_of_anything_is_ignored(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, 3, "5"), family.consent(family.mother, 3, Decision.WITHDRAWN))
    await district.tell(family.grade(result, 2, "3"), family.consent(family.mother, 2))
    await district.tell(family.account(family.mother, 3, active=False), family.person(3, without=[family.father]))
    await district.tell(family.account(family.mother, 2), family.person(2))
    assert await district.states(result, 3) == {
        family.mother: (PAPER, "open"),
        family.father: (PAPER, "cancelled"),
        family.student: (TOGETHER, "open"),
    }
    assert await district.states(result, 2) == {}


async def test_the_student_reads_on_the_screen_while_any_representative_consents(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.student), family.grade(result))
    assert (await district.states(result))[family.student] == (SCREEN, "open")
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN))
    assert (await district.states(result))[family.student] == (TOGETHER, "open")


async def test_a_student_without_representatives_gets_paper(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.person(2, without=[family.mother, family.father]), family.grade(result))
    assert await district.states(result) == {family.student: (PAPER, "open")}


async def test_stating_no_internet_means_paper_in_spite_of_consent(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.consent(family.mother, 2, no_internet=True), family.grade(result))
    assert (await district.states(result))[family.mother] == (PAPER, "open")


async def test_consent_after_the_grade_moves_it_to_the_screen_and_takes_the_unprinted_sheet_back(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.account(family.father), family.grade(algebra), family.grade(physics, subject="Физика"))
    await district.advance(timedelta(minutes=11))
    asked = await district.asked_for_paper()
    assert [(one.recipient_id, versions(one)) for one in asked] == [(family.father, {(algebra, 1), (physics, 1)})]
    await district.tell(family.consent(family.father, at=district.now))
    cancelled = (await district.published(ExtractRequested))[-1]
    assert (cancelled.request_id, cancelled.state, cancelled.revision) == (asked[0].request_id, "cancelled", 2)
    assert (await district.states(algebra))[family.father] == (SCREEN, "open")
    await district.advance(HOUR)
    assert await district.asked_for_paper() == []


async def test_what_stays_on_paper_is_asked_for_anew_when_its_sheet_was_taken_back(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(algebra), family.grade(physics, subject="Физика"))
    await district.advance(timedelta(minutes=11))
    first = (await district.asked_for_paper())[0]
    await district.tell(family.grade(algebra, 2, "5", obtained=district.now))
    assert (await district.published(ExtractRequested))[-1].state == "cancelled"
    await district.advance(timedelta(minutes=11))
    again = await district.asked_for_paper()
    assert [versions(one) for one in again] == [{(algebra, 2), (physics, 1)}]
    assert again[0].request_id != first.request_id
    assert again[0].due_at == START + 24 * HOUR


async def test_withdrawing_consent_moves_everything_to_paper_at_once_and_the_ledger_says_so(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=district.now))
    assert (await district.states(result))[family.mother] == (PAPER, "open")
    closed = await district.ledger("closed")
    assert [(one["recipient_id"], one["consent_revision"], one["obligations_moved"]) for one in closed] == [
        (str(family.mother), 2, 1)
    ]
    await district.advance(timedelta(minutes=11))
    assert {one.recipient_id for one in await district.asked_for_paper()} == {family.mother, family.father}


async def test_a_correction_supersedes_what_is_open_and_does_not_buy_time(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(10 * HOUR)
    await district.tell(family.grade(result, 2, "5", obtained=district.now))
    assert (await district.states(result))[family.father] == (PAPER, "superseded")
    assert (await district.states(result))[family.mother] == (SCREEN, "available")
    corrected = await district.obligations(result)
    assert corrected[2, family.father]["due_at"] == START + 24 * HOUR
    assert corrected[2, family.mother]["due_at"] == district.now + 24 * HOUR


@pytest.mark.parametrize("held", [False, True])
async def test_a_result_and_its_correction_in_one_batch_are_as_in_two(district, held):
    family, together, apart = await district.known_family(), uuid4(), uuid4()
    await district.tell(
        family.grade(together, 2, "5", held=held, obtained=START + 10 * HOUR),
        family.grade(together),
        family.grade(apart),
    )
    await district.tell(family.grade(apart, 2, "5", held=held, obtained=START + 10 * HOUR))
    same = ("route", "state", "due_at", "ask_paper_at", "fall_back_at")
    one_batch = {key: [row[name] for name in same] for key, row in (await district.obligations(together)).items()}
    two_batches = {key: [row[name] for name in same] for key, row in (await district.obligations(apart)).items()}
    assert one_batch == two_batches
    assert one_batch[1, family.father][:2] == [PAPER, "open" if held else "superseded"]
    assert one_batch[2, family.father][2] == START + (34 if held else 24) * HOUR


async def test_a_held_correction_leaves_what_is_owed_of_the_value_before_it(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(timedelta(minutes=11))
    await district.asked_for_paper()
    obtained = district.now
    await district.tell(family.grade(result, 2, "5", held=True, obtained=obtained))
    assert {state for _, state in (await district.states(result)).values()} == {"open"}
    assert {state for _, state in (await district.states(result, 2)).values()} == {"open"}
    assert [one.state for one in await district.published(ExtractRequested)] == ["requested"]
    both = await district.obligations(result)
    assert (both[1, family.father]["due_at"], both[2, family.father]["due_at"]) == (
        START + 24 * HOUR,
        obtained + 24 * HOUR,
    )
    await district.tell(family.grade(result, 3, "5", value_revision=2, obtained=obtained))
    assert {state for _, state in (await district.states(result)).values()} == {"superseded"}
    assert [one.state for one in await district.published(ExtractRequested)] == ["requested", "cancelled"]
    assert {row["due_at"] for (number, _), row in (await district.obligations(result)).items() if number == 2} == {
        START + 24 * HOUR
    }


async def test_a_held_correction_that_the_clock_shows_ends_what_was_owed_of_the_value_before_it(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(HOUR)
    await district.tell(family.grade(result, 2, "5", held=True, obtained=district.now))
    await district.advance(24 * HOUR)
    await district.tell(family.visible(result, family.mother, at=district.now, value_revision=2))
    assert (await district.states(result))[family.mother] == (SCREEN, "superseded")
    assert (await district.states(result))[family.father] == (PAPER, "open")
    assert (await district.states(result, 2))[family.mother] == (SCREEN, "available")


async def test_a_held_correction_of_a_held_value_takes_its_place(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.tell(family.grade(result, 2, "5", held=True))
    assert {state for _, state in (await district.states(result)).values()} == {"superseded"}
    assert {state for _, state in (await district.states(result, 2)).values()} == {"open"}


async def test_a_released_or_renamed_result_keeps_its_obligations(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.tell(family.grade(result, 2, value_revision=1))
    assert set(await district.obligations(result)) == {
        (1, family.mother),
        (1, family.father),
        (1, family.student),
    }


async def test_a_withdrawn_result_is_owed_to_nobody_and_its_sheet_is_taken_back(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(timedelta(minutes=11))
    await district.asked_for_paper()
    await district.tell(family.grade(result, 2, state="withdrawn"))
    assert {state for _, state in (await district.states(result)).values()} == {"cancelled"}
    assert (await district.published(ExtractRequested))[-1].state == "cancelled"


async def test_a_result_that_waited_longer_than_24_hours_for_its_student_is_still_owed(district):
    family, result = district.family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(30 * HOUR)
    await district.tell(family.person())
    assert (await district.states(result))[family.mother] == (PAPER, "open")
    assert [one.due_at for one in await district.asked_for_paper()] == [START + 24 * HOUR] * 2


async def test_a_withdrawn_result_that_waited_for_its_student_is_never_owed(district):
    family, result = district.family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.grade(result, 2, state="withdrawn"))
    await district.tell(family.person())
    assert await district.states(result) == {}


async def test_a_deferral_is_told_like_a_grade(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, state="deferred"))
    assert (await district.states(result))[family.mother] == (SCREEN, "open")


async def test_losing_authority_cancels_what_is_owed_and_getting_it_back_restores_it(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.person(2, without=[family.father]))
    assert (await district.states(result))[family.father] == (PAPER, "cancelled")
    await district.advance(HOUR)
    await district.tell(family.person(3))
    assert (await district.states(result))[family.father] == (PAPER, "open")
    assert (await district.obligations(result))[1, family.father]["due_at"] == START + 24 * HOUR


async def test_who_becomes_a_representative_within_the_24_hours_is_told_and_later_is_not(district):
    family, early, late = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.person(2, without=[family.father]), family.grade(early, obtained=START - 20 * HOUR))
    await district.tell(family.grade(late))
    await district.advance(5 * HOUR)
    await district.tell(family.person(3))
    assert family.father not in await district.states(early)
    assert (await district.states(late))[family.father] == (PAPER, "open")


async def test_a_consent_for_a_later_day_counts_from_that_day(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(
        family.account(family.father), family.consent(family.father, effective_from=START + HOUR), family.grade(result)
    )
    assert (await district.states(result))[family.father] == (PAPER, "open")
    assert await district.deadlines.let_consents_take_effect() == 0
    await district.advance(HOUR)
    assert await district.deadlines.let_consents_take_effect() == 1
    assert (await district.states(result))[family.father] == (SCREEN, "open")


async def test_from_18_the_student_alone_decides_and_is_told(district):
    family, result = await district.known_family(birth_date=date(2008, 10, 24)), uuid4()
    await district.tell(family.account(family.student), family.grade(result))
    assert await district.states(result) == {
        family.mother: (SCREEN, "open"),
        family.father: (PAPER, "open"),
        family.student: (SCREEN, "open"),
    }
    await district.advance(9 * HOUR)  # 20:00 UTC is 23:00 in Moscow
    assert await district.deadlines.notice_majority() == 0
    await district.advance(HOUR)
    assert await district.deadlines.notice_majority() == 1
    assert await district.states(result) == {
        family.mother: (SCREEN, "cancelled"),
        family.father: (PAPER, "cancelled"),
        family.student: (PAPER, "open"),
    }
    await district.tell(family.consent(family.student, at=district.now))
    assert (await district.states(result))[family.student] == (SCREEN, "open")


async def test_erasing_a_student_removes_what_is_personal_and_cancels_what_is_owed(district):
    family, result = await district.known_family(email="mother@example.org"), uuid4()
    await district.tell(family.grade(result))
    await district.erase(family.student)
    assert {state for _, state in (await district.states(result)).values()} == {"cancelled"}
    tables = ("students", "consents", "representations", "results", "accounts")
    left = [str(dict(row)) for table in tables for row in await district.query(f"SELECT * FROM {table}")]
    for personal in ("Анна", "mother@example.org", "Алгебра", "2031"):
        assert not any(personal in row for row in left)


async def test_erasing_a_representative_ends_what_is_owed_to_them_only(district):
    family, result = await district.known_family(email="mother@example.org"), uuid4()
    await district.tell(family.grade(result))
    await district.erase(family.mother)
    assert await district.states(result) == {
        family.mother: (SCREEN, "cancelled"),
        family.father: (PAPER, "open"),
        family.student: (TOGETHER, "open"),
    }
    assert await district.query("SELECT FROM consents WHERE email IS NOT NULL") == []


async def test_teachers_and_representatives_leave_no_trace(district):
    family = district.family()
    teacher = family.person().model_copy(update={"enrolment": None, "person_id": uuid4()})
    await district.tell(teacher)
    assert await district.query("SELECT FROM students") == []


async def test_an_obligations_id_follows_from_what_it_is_about(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    first = {row["obligation_id"] for row in (await district.obligations(result)).values()}
    await district.query("DELETE FROM obligations RETURNING 1")
    await district.query("UPDATE results SET opened_revision = NULL RETURNING 1")
    await district.tell(family.person(2))
    assert {row["obligation_id"] for row in (await district.obligations(result)).values()} == first
    assert all(isinstance(one, UUID) and one.version == 8 for one in first)
