"""What fails on a channel falls to the next one, and what was critical in the end to paper: once."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.extract_requested import ExtractRequested
from services.publisher.domain.preferences import Channel, Kind, Mode
from services.publisher.domain.states import NotificationState
from services.publisher.falling_back import Fallback
from tests.integration.publisher_district import HOUR, SECOND, Family, versions
from tests.integration.publisher_news import Newsroom
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)
ADDRESS = "mother@example.org"
FAILED = NotificationState.FAILED


@pytest.fixture
async def room(service_database: ServiceDatabases) -> Newsroom:
    return Newsroom(await service_database("publisher"))


async def a_family(room: Newsroom, *, email: str | None = ADDRESS, push: bool = True, only_push: bool = True) -> Family:
    """A mother who wants pushes only, though mails are allowed, or mails where she has no push."""
    family = await room.known_family(email=email, push=push)
    if push:
        await room.subscribe(family.mother)
        if only_push:
            await room.choose(family, {(kind, Channel.EMAIL): Mode.OFF for kind in Kind})
    return family


async def shown(room: Newsroom, family: Family, *results: UUID) -> None:
    """Grades that were set and that the mother can see, with their messages due."""
    for result in results:
        await room.tell(family.grade(result, obtained=room.now))
        await room.tell(family.visible(result, family.mother, at=room.now + SECOND))
    await room.advance(10 * MINUTE)


async def requests(room: Newsroom) -> list[ExtractRequested]:
    return [one for one in await room.published(ExtractRequested) if one.recipient_id is not None]


async def test_a_push_that_failed_is_told_by_mail_and_the_chain_is_visible(room):
    family, result = await a_family(room), uuid4()
    await shown(room, family, result)
    pushes = await room.claim("push")
    await room.settle(pushes, FAILED, "no_subscription")
    assert await room.claim() == []
    await room.fall()
    (letter,) = await room.sent()
    assert [item.result_id for item in letter.items] == [result]
    rows = await room.query("SELECT state, channel, fell_from FROM notifications ORDER BY queued_at, channel DESC")
    assert [(row["state"], row["channel"], row["fell_from"]) for row in rows] == [
        ("failed", "push", None),
        ("sent", "email", pushes[0].notification_id),
    ]
    assert await requests(room) == []


async def test_what_failed_by_mail_too_is_asked_for_on_paper_once_in_exactly_those_versions(room):
    family, first, second = await a_family(room), uuid4(), uuid4()
    await shown(room, family, first, second)
    await room.settle(await room.claim("push"), FAILED, "no_subscription")
    await room.fall()
    letters = await room.claim()
    await room.settle(letters, FAILED, "550")
    await room.fall()
    await room.fall()
    (request,) = await requests(room)
    assert (request.student_id, request.recipient_id) == (family.student, family.mother)
    assert versions(request) == {(first, 1), (second, 1)}
    entries = await room.ledger("fell_to_paper")
    assert {(one["result_id"], one["recipient_id"], one["request_id"]) for one in entries} == {
        (str(result), str(family.mother), str(request.request_id)) for result in (first, second)
    }
    assert {
        row["state"] for row in (await room.obligations(first)).values() if row["recipient_id"] == family.mother
    } == {"available"}


async def test_the_printed_sheet_is_in_the_ledger_though_the_screen_had_met_the_obligation(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    (request,) = await requests(room)
    await room.tell(family.printed(request, at=room.now))
    assert [one["result_id"] for one in await room.ledger("printed")] == [str(result)]
    states = await room.states(result)
    assert states[family.mother] == ("screen", "available")


async def test_what_both_channels_were_to_tell_goes_to_paper_only_when_both_have_failed(room):
    family, result = await a_family(room, only_push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim("push"), FAILED, "no_subscription")
    await room.fall()
    assert [row["channel"] for row in await room.query("SELECT channel FROM notifications ORDER BY channel")] == [
        "email",
        "push",
    ]
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    assert [versions(one) for one in await requests(room)] == [{(result, 1)}]


async def test_a_mail_that_failed_is_not_replaced_where_the_push_was_sent(room):
    family = await a_family(room, only_push=False)
    await shown(room, family, uuid4())
    await room.sent("push")
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    assert await requests(room) == []
    assert len(await room.query("SELECT * FROM notifications")) == 2


async def test_a_mail_that_failed_waits_for_the_decision_about_a_push_that_is_undecided(room):
    family = await a_family(room, only_push=False)
    await shown(room, family, uuid4())
    await room.settle(await room.claim("push"), NotificationState.UNDECIDED, "conversation_broke")
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    assert await requests(room) == []
    assert len(await room.query("SELECT * FROM notifications")) == 2


async def test_two_channels_that_fail_at_the_same_time_ask_for_one_sheet(room):
    family, result = await a_family(room, only_push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim("push"), FAILED, "no_subscription")
    await room.settle(await room.claim(), FAILED, "550")
    others = [Fallback(room.database, room.clock, room.policy) for _ in range(4)]
    await asyncio.gather(*(one.fall() for one in others))
    await room.fall()
    assert [versions(one) for one in await requests(room)] == [{(result, 1)}]
    assert len(await room.ledger("fell_to_paper")) == 1


async def test_what_was_asked_for_on_paper_is_not_asked_for_again_whatever_fails_later(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    # As if the message had not been dealt with.
    await room.query("UPDATE notifications SET fallen_at = NULL RETURNING 1")
    await room.fall()
    assert len(await requests(room)) == 1


async def test_what_keeps_failing_falls_after_two_hours_and_is_not_sent_any_more(room):
    family = await a_family(room)
    await shown(room, family, uuid4())
    for _ in range(11):
        letters = await room.claim("push")
        await room.settle(letters, NotificationState.RETRY, "500")
        await room.advance(10 * MINUTE)
        await room.fall()
        assert await room.claim() == []
    await room.advance(10 * MINUTE)
    await room.fall()
    assert await room.claim("push") == []
    assert len(await room.sent()) == 1
    rows = await room.query("SELECT state, reason FROM notifications WHERE channel = 'push'")
    assert [(row["state"], row["reason"]) for row in rows] == [("failed", "took_too_long")]


async def test_what_could_never_be_tried_falls_too(room):
    family = await a_family(room)
    await shown(room, family, uuid4())
    await room.advance(2 * HOUR)
    await room.fall()
    assert await room.claim("push") == []
    assert len(await room.claim()) == 1


async def test_what_is_being_sent_or_is_undecided_does_not_fall(room):
    family = await a_family(room)
    await shown(room, family, uuid4())
    letters = await room.claim("push")
    await room.advance(3 * HOUR)
    await room.fall()
    assert await room.claim() == []
    await room.settle(letters, NotificationState.UNDECIDED, "conversation_broke")
    await room.advance(HOUR)
    await room.fall()
    assert await room.claim() == []
    assert await requests(room) == []


async def test_it_falls_earlier_where_the_deadline_is_near(room):
    family, result = await a_family(room), uuid4()
    obtained = room.now - 21 * HOUR - 30 * MINUTE  # due in two hours and a half
    await room.tell(family.grade(result, obtained=obtained, recorded=obtained))
    await room.tell(family.visible(result, family.mother, at=room.now))
    await room.advance(89 * MINUTE)
    await room.fall()
    assert await room.claim() == []
    await room.advance(2 * MINUTE)
    await room.fall()
    assert len(await room.claim()) == 1


async def test_a_corrected_version_does_not_fall_since_its_correction_is_told(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim(), FAILED, "550")
    await room.tell(family.grade(result, 2, "5", obtained=room.now))
    await room.fall()
    assert await requests(room) == []


async def test_a_sheet_for_a_version_that_is_corrected_is_taken_back_and_the_rest_asked_for_anew(room):
    family, corrected, other = await a_family(room, push=False), uuid4(), uuid4()
    await shown(room, family, corrected, other)
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    await room.tell(family.grade(corrected, 2, "5", obtained=room.now))
    first, cancelled, anew = await requests(room)
    assert (first.request_id, first.state) == (cancelled.request_id, "requested")
    assert cancelled.state == "cancelled"
    assert (anew.state, versions(anew)) == ("requested", {(other, 1)})


async def test_a_sheet_that_is_printed_already_is_not_taken_back(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.settle(await room.claim(), FAILED, "550")
    await room.fall()
    (request,) = await requests(room)
    await room.tell(family.printed(request, at=room.now))
    await room.tell(family.grade(result, 2, "5", obtained=room.now))
    assert [one.state for one in await requests(room)] == ["requested"]


async def test_who_has_no_authority_any_more_gets_no_sheet(room):
    family = await a_family(room, push=False)
    await shown(room, family, uuid4())
    await room.settle(await room.claim(), FAILED, "550")
    await room.tell(family.person(2, without=[family.mother]))
    await room.fall()
    assert [one for one in await requests(room) if one.recipient_id == family.mother] == []


async def test_news_that_fail_end_where_they_are(room):
    family = await a_family(room)
    await room.choose(family, {(Kind.MARK, Channel.PUSH): Mode.INSTANT, (Kind.MARK, Channel.EMAIL): Mode.OFF})
    await room.report(room.mark(family, uuid4()))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    await room.settle(await room.claim("push"), FAILED, "no_subscription")
    await room.fall()
    assert len(await room.query("SELECT * FROM notifications")) == 1
    assert await requests(room) == []
    assert await room.query("SELECT * FROM notifications WHERE fallen_at IS NULL") == []


async def test_a_mail_that_came_back_after_it_was_sent_falls(room):
    family, result = await a_family(room, push=False), uuid4()
    await shown(room, family, result)
    await room.sent()
    await room.fall()
    assert await requests(room) == []
    await room.query(
        "UPDATE notifications SET state = 'failed', reason = 'bounced', settled_at = $1 RETURNING 1", room.now
    )
    await room.fall()
    assert [versions(one) for one in await requests(room)] == [{(result, 1)}]
