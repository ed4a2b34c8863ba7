"""Results told at once: by which channels, in which hours, as what; and the log of every state."""

from datetime import time, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT
from contracts.values import Decision
from services.publisher.domain.letters import Letter
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import NO_QUIET, Channel, Kind, Mode, QuietHours
from services.publisher.domain.states import NotificationState
from services.publisher.queries import delivery
from tests.integration.publisher_district import HOUR, SECOND, Family
from tests.integration.publisher_news import Newsroom
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)
ADDRESS = "mother@example.org"


@pytest.fixture
async def room(service_database: ServiceDatabases) -> Newsroom:
    return Newsroom(await service_database("publisher"))


async def a_family(room: Newsroom, *, email: str | None = ADDRESS, push: bool = True) -> Family:
    family = await room.known_family(email=email, push=push)
    if push:
        await room.subscribe(family.mother)
    return family


async def shown(room: Newsroom, family: Family, *results: UUID, **different: Any) -> None:
    """Grades that were set and that the mother can see."""
    for result in results:
        await room.tell(family.grade(result, obtained=room.now, **different))
        await room.tell(family.visible(result, family.mother, at=room.now + SECOND))


def kinds(letters: list[Letter]) -> list[Kind]:
    return [item.event_kind for letter in letters for item in letter.items]


async def test_by_default_a_result_comes_by_mail_and_by_push(room):
    family = await a_family(room)
    await shown(room, family, uuid4())
    await room.advance(10 * MINUTE)
    for channel in ("email", "push"):
        (letter,) = await room.sent(channel)
        assert (letter.channel, letter.occasion, len(letter.items)) == (channel, "results", 1)


async def test_a_channel_claims_only_its_own_messages(room):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    await room.advance(10 * MINUTE)
    assert await room.claim("push") == []
    assert len(await room.claim("email")) == 1


async def test_a_channel_that_was_switched_off_tells_nothing(room):
    family = await a_family(room)
    await room.choose(family, {(Kind.FINAL_GRADE, Channel.EMAIL): Mode.OFF})
    await shown(room, family, uuid4())
    await room.advance(10 * MINUTE)
    assert (len(await room.claim("email")), len(await room.claim("push"))) == (0, 1)


async def test_when_consent_for_the_only_chosen_channel_has_ended_the_other_one_tells_it(room):
    family = await a_family(room)
    await room.choose(family, {(Kind.FINAL_GRADE, Channel.EMAIL): Mode.OFF})
    await room.tell(family.consent(family.mother, 2, email=ADDRESS, at=room.now))  # no push any more
    await shown(room, family, uuid4())
    await room.advance(10 * MINUTE)
    assert (len(await room.claim("email")), len(await room.claim("push"))) == (1, 0)


async def test_what_waits_for_a_channel_whose_consent_ends_goes_by_the_other_one(room):
    family = await a_family(room)
    await room.choose(family, {(Kind.FINAL_GRADE, Channel.EMAIL): Mode.OFF})
    result = uuid4()
    await shown(room, family, result)
    await room.tell(family.consent(family.mother, 2, email=ADDRESS, at=room.now))
    await room.fall()
    (letter,) = await room.claim("email")
    assert [item.result_id for item in letter.items] == [result]
    assert await room.claim("push") == []


async def test_with_all_consent_gone_nothing_is_told_and_nothing_falls(room):
    family = await a_family(room)
    await shown(room, family, uuid4())
    await room.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=room.now))
    await room.fall()
    rows = await room.query("SELECT state, reason FROM notifications")
    assert {(row["state"], row["reason"]) for row in rows} == {("cancelled", "no_consent")}
    assert await room.query("SELECT * FROM told_on_paper") == []


async def test_a_correction_says_that_it_is_one(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.advance(10 * MINUTE)
    assert kinds(await room.sent()) == [Kind.FINAL_GRADE]
    await room.tell(family.grade(result, 2, "5", obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now, value_revision=2, revision=2))
    await room.advance(10 * MINUTE)
    assert kinds(await room.sent()) == [Kind.CORRECTION]


async def test_a_value_that_nobody_saw_before_is_no_correction(room):
    family, result = await a_family(room, push=False), uuid4()
    await room.tell(family.grade(result, 1, "3", held=True, obtained=room.now))
    await room.tell(family.grade(result, 2, "4", obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now, value_revision=2))
    await room.advance(10 * MINUTE)
    assert kinds(await room.sent()) == [Kind.FINAL_GRADE]


async def test_a_deferral_is_told_as_one_and_the_grade_that_follows_is_no_correction_but_the_next_one_is(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result, state="deferred")
    await room.advance(10 * MINUTE)
    told = kinds(await room.sent())
    for revision, value in ((2, "4"), (3, "5")):
        await room.tell(family.grade(result, revision, value, obtained=room.now))
        await room.tell(family.visible(result, family.mother, at=room.now, value_revision=revision, revision=revision))
        await room.advance(10 * MINUTE)
        told += kinds(await room.sent())
    assert told == [Kind.DEFERRAL, Kind.FINAL_GRADE, Kind.CORRECTION]


async def test_an_exam_result_is_told_as_one(room):
    family, result = await a_family(room, push=False), uuid4()
    await room.tell(family.exam(result, obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now))
    await room.advance(10 * MINUTE)
    assert kinds(await room.sent()) == [Kind.EXAM_RESULT]


async def test_corrections_may_go_another_way_than_grades(room):
    family, result = await a_family(room), uuid4()
    await room.choose(family, {(Kind.CORRECTION, Channel.EMAIL): Mode.OFF})
    await shown(room, family, result)
    await room.advance(10 * MINUTE)
    await room.sent("email")
    await room.sent("push")
    await room.tell(family.grade(result, 2, "5", obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now, value_revision=2, revision=2))
    await room.advance(10 * MINUTE)
    assert (kinds(await room.claim("email")), kinds(await room.claim("push"))) == ([], [Kind.CORRECTION])


async def test_in_quiet_hours_a_result_waits_until_the_morning(room):
    family = await a_family(room, push=False)
    await room.to_local(20, 55)
    await shown(room, family, uuid4())
    await room.to_local(21, 10)
    assert await room.claim() == []
    await room.to_local(6, 59, days=1)
    assert await room.claim() == []
    await room.to_local(7)
    assert len(await room.claim()) == 1


async def test_a_deadline_breaks_the_quiet_hours(room):
    family, result = await a_family(room, push=False), uuid4()
    obtained = room.now - 9 * HOUR  # 5 o'clock in the morning
    await room.tell(family.grade(result, obtained=obtained, recorded=obtained))
    await room.to_local(22)
    await room.tell(family.visible(result, family.mother, at=room.now))
    await room.to_local(4, 29, days=1)
    assert await room.claim() == []
    await room.to_local(4, 30)
    assert len(await room.claim()) == 1


async def test_a_recipients_own_quiet_hours_take_the_place_of_the_districts(room):
    family = await a_family(room, push=False)
    await room.choose(family, quiet=QuietHours(time(13), time(16)))
    await shown(room, family, uuid4())  # at 14 o'clock
    await room.advance(HOUR)
    assert await room.claim() == []
    await room.to_local(16)
    assert len(await room.sent()) == 1
    await room.to_local(22)
    await shown(room, family, uuid4())
    await room.advance(11 * MINUTE)
    assert len(await room.sent()) == 1


async def test_quiet_hours_begin_also_for_what_was_to_be_sent_before_them(room):
    """The mail server was away, and comes back at night."""
    family = await a_family(room, push=False)
    await room.to_local(20, 30)
    await shown(room, family, uuid4())
    await room.to_local(21, 30)
    assert await room.claim() == []
    (row,) = await room.query("SELECT state, attempts, send_after, fall_at FROM notifications")
    await room.to_local(7, days=1)
    assert (row["state"], row["attempts"], row["send_after"]) == ("queued", 0, room.now)
    assert row["fall_at"] > room.now
    assert len(await room.claim()) == 1


async def test_a_retry_keeps_the_quiet_hours(room):
    family = await a_family(room, push=False)
    await room.to_local(20, 30)
    await shown(room, family, uuid4())
    await room.to_local(20, 59)
    letters = await room.claim()
    await room.advance(59 * SECOND)
    await room.settle(letters, NotificationState.RETRY, "421")
    (row,) = await room.query("SELECT send_after FROM notifications")
    await room.to_local(7, days=1)
    assert row["send_after"] == room.now


async def test_a_retry_that_quiet_hours_put_off_does_not_fall_before_it_is_tried(room):
    family = await a_family(room, push=False)
    await room.to_local(20, 30)
    await shown(room, family, uuid4())
    await room.to_local(20, 59)
    await room.settle(await room.claim(), NotificationState.RETRY, "421")
    await room.to_local(6, 59, days=1)
    await room.fall()
    (row,) = await room.query("SELECT state, fall_at, deadline_at FROM notifications")
    await room.to_local(7)
    assert row["state"] == "retry"
    assert row["fall_at"] == room.policy.fall_at(room.now, row["deadline_at"]) == room.now + 2 * HOUR
    assert len(await room.claim()) == 1


async def test_a_retry_that_waits_for_no_quiet_hours_falls_when_it_would_have(room):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    await room.advance(10 * MINUTE)
    letters = await room.claim()
    (before,) = await room.query("SELECT fall_at FROM notifications")
    await room.settle(letters, NotificationState.RETRY, "421")
    (after,) = await room.query("SELECT fall_at FROM notifications")
    assert after["fall_at"] == before["fall_at"]


async def test_a_deadline_breaks_the_quiet_hours_of_a_retry_as_early_as_those_of_a_first_attempt(room):
    family, result = await a_family(room, push=False), uuid4()
    obtained = room.now - 9 * HOUR  # 5 o'clock in the morning
    await room.tell(family.grade(result, obtained=obtained, recorded=obtained))
    await room.to_local(20, 30)
    await room.tell(family.visible(result, family.mother, at=room.now))
    await room.to_local(20, 59)
    await room.settle(await room.claim(), NotificationState.RETRY, "421")
    (row,) = await room.query("SELECT send_after FROM notifications")
    await room.to_local(4, 30, days=1)
    assert row["send_after"] == room.now


async def test_every_state_is_in_the_log_with_its_instant_channel_and_reason(room):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    begun = room.now
    await room.advance(10 * MINUTE)
    await room.settle(await room.claim(), NotificationState.RETRY, "421")
    await room.advance(10 * MINUTE)
    await room.sent()
    async with room.database.transaction(DISTRICT) as conn:
        entries = await delivery.log_of_recipient(conn, family.mother, limit=100)
    assert [(one.state, one.reason, one.attempt, one.at - begun) for one in reversed(entries)] == [
        ("queued", None, 0, 0 * MINUTE),
        ("claimed", None, 1, 10 * MINUTE),
        ("retry", "421", 1, 10 * MINUTE),
        ("claimed", None, 2, 20 * MINUTE),
        ("sent", None, 2, 20 * MINUTE),
    ]
    assert {one.channel for one in entries} == {"email"}


@pytest.mark.parametrize("statement", ["UPDATE notification_log SET state = 'sent'", "DELETE FROM notification_log"])
async def test_the_service_cannot_change_the_log(room, statement):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await room.query(f"{statement} RETURNING 1")


@pytest.mark.parametrize(("before", "after"), [("queued", "sent"), ("queued", "undecided"), ("cancelled", "queued")])
async def test_the_database_refuses_a_change_of_state_that_the_table_does_not_have(room, before, after):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    if before != "queued":
        await room.query("UPDATE notifications SET state = $1, settled_at = now() RETURNING 1", before)
    with pytest.raises(asyncpg.CheckViolationError):
        await room.query("UPDATE notifications SET state = $1, settled_at = now() RETURNING 1", after)


async def test_results_of_ten_minutes_are_one_message_on_each_channel_also_without_quiet_hours(service_database):
    room = Newsroom(await service_database("publisher"), Policy(quiet=NO_QUIET))
    family = await a_family(room)
    for _ in range(3):
        await shown(room, family, uuid4())
        await room.advance(3 * MINUTE)
    await room.advance(MINUTE)
    assert [len(one.items) for channel in ("email", "push") for one in await room.sent(channel)] == [3, 3]
