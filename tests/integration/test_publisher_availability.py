"""When an obligation is met: by the cabinet's word, by a printed sheet, through a representative; and when not."""

from datetime import timedelta
from uuid import uuid4

import pytest

from contracts.disclosure_overdue import DisclosureOverdue
from contracts.extract_requested import ExtractRequested
from contracts.result_disclosed import ResultDisclosed
from contracts.values import Decision
from tests.integration.publisher_district import HOUR, SECOND, START, District, versions
from tests.support.databases import ServiceDatabases

SCREEN, PAPER, TOGETHER = "screen", "paper", "with_representative"
MINUTE = 60 * SECOND


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def test_what_the_cabinet_shows_is_available_and_the_student_is_served_with_it(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    assert await district.states(result) == {
        family.mother: (SCREEN, "available"),
        family.father: (PAPER, "open"),
        family.student: (TOGETHER, "available"),
    }
    told = (await district.published(ResultDisclosed))[-1]
    assert told.revision == 1
    assert {(one.recipient_id, one.route.value, one.available_at, one.late) for one in told.disclosures} == {
        (family.mother, SCREEN, START + SECOND, "no"),
        (family.student, TOGETHER, START + SECOND, "no"),
    }


async def test_the_ledger_says_since_when_by_which_route_and_on_what_ground(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    mother = next(one for one in await district.ledger("available") if one["recipient_id"] == str(family.mother))
    expected = {
        "result_id": str(result),
        "value_revision": 1,
        "route": SCREEN,
        "available_at": "2026-10-23T11:00:01+00:00",
        "due_at": "2026-10-24T11:00:00+00:00",
        "late": "no",
        "consent_id": str(family.consent_ids[family.mother]),
        "consent_revision": 1,
    }
    assert expected.items() <= mother.items()


async def test_each_further_disclosure_is_told_with_all_earlier_ones_and_a_higher_revision(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now))
    told = await district.published(ResultDisclosed)
    assert [(one.revision, len(one.disclosures)) for one in told] == [(1, 2), (2, 3)]
    assert len({one.event_id() for one in told}) == 2


async def test_an_acknowledgement_that_comes_before_the_result_counts_when_it_is_known(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.tell(family.grade(result))
    assert (await district.states(result))[family.mother] == (SCREEN, "available")
    assert (await district.states(result))[family.student] == (TOGETHER, "available")


async def test_an_acknowledgement_counts_when_the_person_becomes_known_after_it(district):
    family, result = district.family(), uuid4()
    await district.tell(family.consent(family.mother), family.account(family.mother), family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.tell(family.person())
    assert (await district.obligations(result))[1, family.mother]["available_at"] == START + SECOND


async def test_being_visible_is_not_enough_for_who_stated_no_internet(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.consent(family.mother, 2, no_internet=True), family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND, consent_revision=2))
    assert (await district.states(result))[family.mother] == (PAPER, "open")


async def test_without_an_account_nothing_is_visible_until_there_is_one(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.consent(family.father), family.grade(result))
    await district.tell(family.visible(result, family.father, at=START + SECOND))
    assert (await district.states(result))[family.father] == (PAPER, "open")
    await district.tell(family.account(family.father, at=START + HOUR))
    row = (await district.obligations(result))[1, family.father]
    assert (row["route"], row["state"], row["available_at"]) == (SCREEN, "available", START + HOUR)


async def test_what_was_visible_before_a_withdrawal_stays_owed_on_paper_and_the_ledger_tells_both(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=START + MINUTE))
    visible = family.visible(result, family.mother, at=START + SECOND)
    await district.tell(visible)
    await district.tell(visible.model_copy(update={"revision": 2}))
    assert (await district.states(result))[family.mother] == (PAPER, "open")
    entries = await district.ledger("visible_before_closed")
    assert [(one["recipient_id"], one["consent_revision"]) for one in entries] == [(str(family.mother), 1)]


async def test_an_acknowledgement_under_a_consent_not_heard_of_yet_counts_when_it_is(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.father), family.grade(result))
    consent = family.consent(family.father)
    await district.tell(family.visible(result, family.father, at=START + SECOND))
    assert (await district.states(result))[family.father] == (PAPER, "open")
    await district.tell(consent)
    assert (await district.states(result))[family.father] == (SCREEN, "available")


async def test_a_printed_sheet_meets_everything_on_it_since_it_was_registered(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(algebra), family.grade(physics, subject="Физика"))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now + SECOND, number="2026/000042"))
    for result in (algebra, physics):
        row = (await district.obligations(result))[1, family.father]
        assert (row["state"], row["route"], row["extract_number"]) == ("available", PAPER, "2026/000042")
        assert row["available_at"] == district.now + SECOND
        assert (await district.states(result))[family.student] == (TOGETHER, "available")


async def test_a_sheet_that_was_printed_although_taken_back_still_counts(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.father), family.grade(result))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    await district.tell(family.consent(family.father))
    await district.tell(family.printed(request, at=district.now))
    assert (await district.states(result))[family.father] == (PAPER, "available")


async def test_a_printed_sheet_is_not_taken_back_any_more(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now))
    await district.tell(family.grade(result, 2, "5", obtained=district.now))
    assert [one.state for one in await district.published(ExtractRequested)] == ["requested"]
    assert (await district.states(result, 2))[family.father] == (PAPER, "open")


async def test_when_a_taken_back_sheet_is_printed_after_all_its_replacement_is_not_printed_too(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(algebra), family.grade(physics, subject="Физика"))
    await district.advance(11 * MINUTE)
    first = (await district.asked_for_paper())[0]
    await district.tell(family.grade(algebra, 2, "5", obtained=district.now))
    await district.advance(11 * MINUTE)
    second = (await district.asked_for_paper())[0]
    await district.tell(family.printed(first, at=district.now))
    last = (await district.published(ExtractRequested))[-1]
    assert (last.request_id, last.state) == (second.request_id, "cancelled")
    await district.advance(11 * MINUTE)
    assert [versions(one) for one in await district.asked_for_paper()] == [{(algebra, 2)}]


async def test_what_is_missing_on_the_printed_sheet_is_asked_for_again(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(algebra), family.grade(physics, subject="Физика"))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    partial = request.model_copy(update={"items": [one for one in request.items if one.result_id == algebra]})
    await district.tell(family.printed(partial, at=district.now))
    assert [versions(one) for one in await district.asked_for_paper()] == [{(physics, 1)}]


async def test_a_sheet_printed_before_anything_else_is_known_counts_in_the_end(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    for table in ("obligations", "results", "extract_requests"):
        await district.query(f"DELETE FROM {table} RETURNING 1")
    await district.tell(family.printed(request, at=district.now))
    await district.tell(family.grade(result, 2, value_revision=1))
    assert (await district.states(result))[family.father] == (PAPER, "available")


async def test_handing_over_goes_into_the_ledger_once(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(11 * MINUTE)
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now))
    handed = family.handed_over(request, at=district.now + HOUR)
    await district.tell(handed)
    await district.query("DELETE FROM inbox RETURNING 1")
    await district.tell(handed, family.printed(request, at=district.now))
    assert [(one["way"], one["result_id"]) for one in await district.ledger("handed_over")] == [
        ("in_person", str(result))
    ]
    assert await district.ledger("printed") == []


async def test_paper_is_asked_for_once_for_a_child_when_the_grouping_time_has_passed(district):
    family, algebra, physics = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(algebra))
    await district.advance(9 * MINUTE)
    await district.tell(family.grade(physics, subject="Физика", obtained=district.now))
    assert await district.asked_for_paper() == []
    await district.advance(MINUTE)
    asked = await district.asked_for_paper()
    assert [(one.recipient_id, versions(one), one.due_at) for one in asked] == [
        (family.father, {(algebra, 1), (physics, 1)}, START + 24 * HOUR)
    ]
    assert await district.asked_for_paper() == []


async def test_held_results_go_to_paper_when_released_or_four_hours_before_the_deadline(district):
    family, released, kept = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(released, held=True), family.grade(kept, held=True, subject="Физика"))
    await district.advance(5 * HOUR)
    assert await district.asked_for_paper() == []
    await district.tell(family.grade(released, 2, value_revision=1))
    await district.advance(10 * MINUTE)
    assert [versions(one) for one in await district.asked_for_paper()] == [{(released, 1)}]
    await district.advance(15 * HOUR - 11 * MINUTE)
    assert await district.asked_for_paper() == []
    await district.advance(MINUTE)
    assert [versions(one) for one in await district.asked_for_paper()] == [{(kept, 1)}]


async def test_holding_a_result_again_takes_its_unprinted_sheet_back(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(10 * MINUTE)
    await district.asked_for_paper()
    await district.tell(family.grade(result, 2, value_revision=1, held=True))
    assert (await district.published(ExtractRequested))[-1].state == "cancelled"
    await district.advance(HOUR)
    assert await district.asked_for_paper() == []


async def test_what_the_screen_does_not_show_moves_to_paper_four_hours_before_the_deadline(district):
    family, result, held = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(result), family.grade(held, held=True, subject="Физика"))
    await district.advance(20 * HOUR - SECOND)
    assert await district.deadlines.fall_back() == 0
    await district.advance(SECOND)
    assert await district.deadlines.fall_back() == 1
    row = (await district.obligations(result))[1, family.mother]
    assert (row["route"], row["moved_reason"]) == (PAPER, "not_acknowledged")
    assert (await district.states(held))[family.mother] == (SCREEN, "open")
    assert family.mother in {one.recipient_id for one in await district.asked_for_paper()}


async def test_a_held_result_that_the_clock_did_not_show_falls_back_to_paper_too(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(24 * HOUR + MINUTE - SECOND)
    assert await district.deadlines.fall_back() == 0
    await district.advance(SECOND)
    assert await district.deadlines.fall_back() == 1
    row = (await district.obligations(result))[1, family.mother]
    assert (row["route"], row["moved_reason"]) == (PAPER, "not_acknowledged")
    assert family.mother in {one.recipient_id for one in await district.asked_for_paper()}


async def test_an_acknowledgement_that_meets_a_cancelled_obligation_counts_when_it_opens_again(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.person(2, without=[family.mother]))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    assert (await district.states(result))[family.mother] == (SCREEN, "cancelled")
    await district.tell(family.person(3))
    assert (await district.states(result))[family.mother] == (SCREEN, "available")


async def test_with_stale_consents_everything_due_soon_goes_by_paper_held_or_not(district):
    family, result, held = await district.known_family(), uuid4(), uuid4()
    await district.tell(family.grade(result), family.grade(held, held=True, subject="Физика"))
    await district.advance(20 * HOUR - 2 * MINUTE)
    await district.advance(MINUTE + SECOND, fresh=False)
    assert await district.deadlines.fall_back() == 0
    await district.advance(MINUTE, fresh=False)
    assert await district.deadlines.fall_back() == 2
    for one in (result, held):
        row = (await district.obligations(one))[1, family.mother]
        assert (row["route"], row["moved_reason"]) == (PAPER, "consents_stale")
    assert {versions(one) == {(result, 1), (held, 1)} for one in await district.asked_for_paper()} == {True}


async def test_a_silent_partition_makes_the_whole_view_stale(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.query("DELETE FROM consent_freshness WHERE partition = 1 RETURNING 1")
    await district.advance(21 * HOUR, fresh=False)
    await district.query("UPDATE consent_freshness SET as_of = $1 RETURNING 1", district.now)
    await district.deadlines.fall_back()
    await district.advance(2 * MINUTE, fresh=False)
    await district.query("UPDATE consent_freshness SET as_of = $1 RETURNING 1", district.now)
    await district.deadlines.fall_back()
    assert (await district.obligations(result))[1, family.mother]["route"] == PAPER


async def test_what_was_moved_to_paper_does_not_go_back_but_counts_when_it_is_shown_after_all(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(20 * HOUR)
    await district.deadlines.fall_back()
    requests = await district.asked_for_paper()
    mothers = next(one for one in requests if one.recipient_id == family.mother)
    await district.tell(family.account(family.mother, 2))
    assert (await district.states(result))[family.mother] == (PAPER, "open")
    await district.tell(family.visible(result, family.mother, at=district.now))
    assert (await district.states(result))[family.mother] == (SCREEN, "available")
    last = (await district.published(ExtractRequested))[-1]
    assert (last.request_id, last.state) == (mothers.request_id, "cancelled")


async def test_what_is_still_owed_after_24_hours_is_overdue_once_and_told(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(24 * HOUR + MINUTE - SECOND)
    assert await district.deadlines.notice_overdue() == 0
    await district.advance(SECOND)
    assert await district.deadlines.notice_overdue() == 1
    assert await district.deadlines.notice_overdue() == 0
    missed = await district.published(DisclosureOverdue)
    assert [(one.recipient_id, one.route.value, one.due_at, one.noticed_at) for one in missed] == [
        (family.father, PAPER, START + 24 * HOUR, district.now)
    ]
    assert [one["recipient_id"] for one in await district.ledger("overdue")] == [str(family.father)]


async def test_an_overdue_obligation_is_still_owed_and_late_by_us_when_it_is_met(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    request = (await district.asked_for_paper())[0]
    await district.tell(family.printed(request, at=district.now))
    row = (await district.obligations(result))[1, family.father]
    assert (row["state"], row["late"]) == ("available", "by_us")


async def test_a_late_acknowledgement_of_something_that_was_in_time_is_not_late(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(24 * HOUR + 30 * SECOND)
    assert await district.deadlines.notice_overdue() == 0
    await district.tell(family.visible(result, family.mother, at=START + 24 * HOUR))
    assert (await district.obligations(result))[1, family.mother]["late"] == "no"


async def test_what_the_journal_learned_too_late_is_late_at_source(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.exam(result, obtained=START - 30 * HOUR, recorded=START))
    assert await district.deadlines.fall_back() == 0
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    assert (await district.obligations(result))[1, family.mother]["late"] == "at_source"
    assert [one.due_at for one in await district.asked_for_paper()] == [START - 6 * HOUR]


async def test_a_second_representative_adds_nothing_to_what_the_student_has(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.father), family.consent(family.father), family.grade(result))
    await district.tell(family.visible(result, family.mother, family.father, at=START + SECOND))
    entries = [one for one in await district.ledger("available") if one["recipient_id"] == str(family.student)]
    assert [one["route"] for one in entries] == [TOGETHER]
    assert entries[0]["served_with"] in {str(family.mother), str(family.father)}


async def test_a_student_who_loses_the_account_is_served_by_what_the_representative_had(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.account(family.student), family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    assert (await district.states(result))[family.student] == (SCREEN, "open")
    await district.advance(timedelta(hours=2))
    await district.tell(family.account(family.student, 2, active=False))
    row = (await district.obligations(result))[1, family.student]
    assert (row["route"], row["state"], row["available_at"]) == (TOGETHER, "available", START + SECOND)
