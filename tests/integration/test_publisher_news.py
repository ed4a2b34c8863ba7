"""News beside results: who is told what, when, in which state, and how often."""

import asyncio
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from contracts.values import Decision
from services.publisher.domain.letters import Letter
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel, Kind, Mode
from services.publisher.news import NewsDesk
from tests.integration.publisher_district import HOUR, Family
from tests.integration.publisher_news import Newsroom
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ADDRESS = "mother@example.org"
SATURDAY = date(2026, 10, 24)  # the day after the one on which the clock stands


@pytest.fixture
async def room(service_database: ServiceDatabases) -> Newsroom:
    return Newsroom(await service_database("publisher"))


async def a_family(room: Newsroom, *, push: bool = False) -> Family:
    """A family whose mother gets mails, pushes where asked, and whose digests have begun."""
    family = await room.known_family(email=ADDRESS, push=push)
    if push:
        await room.subscribe(family.mother)
    await room.digested()
    return family


def told(letters: list[Letter]) -> list[tuple[str, str]]:
    return [
        (item.kind.value, item.content.get("value") or item.content.get("text", ""))
        for one in letters
        for item in one.news
    ]


async def test_a_days_marks_homework_and_advice_come_as_one_digest_at_seven_in_the_evening(room):
    family, group = await a_family(room), uuid4()
    await room.report(
        room.group(group, family.student),
        room.mark(family, uuid4(), "5"),
        room.mark(family, uuid4(), "3"),
        room.homework(group, uuid4(), "§ 7"),
        room.advice(family),
    )
    await room.digested()
    assert await room.claim() == []
    await room.to_local(19)
    await room.digested()
    (letter,) = await room.sent()
    assert (letter.occasion, letter.channel, letter.items) == ("digest", "email", ())
    assert sorted(told([letter])) == [
        ("homework", "§ 7"),
        ("mark", "3"),
        ("mark", "5"),
        ("recommendation", "Повторить дроби."),
    ]


async def test_a_digest_with_nothing_in_it_is_not_made(room):
    await a_family(room)
    await room.to_local(19)
    await room.digested()
    assert await room.query("SELECT * FROM notifications") == []


async def test_what_a_digest_told_is_not_told_by_the_next_one(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    await room.digested()
    assert len(await room.sent()) == 1
    await room.to_local(19, days=1)
    await room.digested()
    assert await room.claim() == []


async def test_what_comes_in_the_instant_of_a_digest_is_in_the_next_one(room):
    family = await a_family(room)
    await room.to_local(19)
    await room.digested()
    await room.report(room.mark(family, uuid4(), "4"))
    await room.to_local(19, days=1)
    await room.digested()
    assert told(await room.sent()) == [("mark", "4")]


async def test_what_is_received_in_the_very_instant_at_which_a_window_ends_is_told_once(room):
    family = await a_family(room)
    await room.to_local(19)
    await room.report(room.mark(family, uuid4(), "4"))
    await room.digested()
    today = told(await room.sent())
    await room.to_local(19, days=1)
    await room.digested()
    assert (today, told(await room.sent())) == ([], [("mark", "4")])


async def test_only_the_last_state_is_told_and_nothing_of_what_was_withdrawn_before(room):
    family, corrected, withdrawn = await a_family(room), uuid4(), uuid4()
    await room.report(room.mark(family, corrected, "2"), room.mark(family, withdrawn, "2"))
    await room.report(room.mark(family, corrected, "4", revision=2))
    await room.report(room.mark(family, withdrawn, "2", revision=2, state="withdrawn"))
    await room.to_local(19)
    await room.digested()
    (letter,) = await room.sent()
    assert told([letter]) == [("mark", "4")]
    assert [item.correction for item in letter.news] == [False]


async def test_what_is_withdrawn_between_the_making_of_a_digest_and_its_sending_is_not_told(room):
    family, mark = await a_family(room), uuid4()
    await room.report(room.mark(family, mark), room.mark(family, uuid4(), "3"))
    await room.to_local(19)
    await room.digested()
    await room.report(room.mark(family, mark, revision=2, state="withdrawn"))
    assert told(await room.sent()) == [("mark", "3")]


async def test_a_mark_that_was_told_and_then_corrected_or_withdrawn_is_told_as_such(room):
    family, corrected, withdrawn = await a_family(room), uuid4(), uuid4()
    await room.report(room.mark(family, corrected, "2"), room.mark(family, withdrawn, "3"))
    await room.to_local(19)
    await room.digested()
    await room.sent()
    await room.advance(HOUR)
    await room.report(
        room.mark(family, corrected, "4", revision=2), room.mark(family, withdrawn, revision=2, state="withdrawn")
    )
    await room.to_local(19, days=1)
    await room.digested()
    (letter,) = await room.sent()
    assert {(item.news_id, item.state, item.correction) for item in letter.news} == {
        (corrected, "current", True),
        (withdrawn, "withdrawn", True),
    }


async def test_a_revision_that_says_nothing_new_is_not_told_again(room):
    family, mark = await a_family(room), uuid4()
    await room.report(room.mark(family, mark, "4"))
    await room.to_local(19)
    await room.digested()
    await room.sent()
    await room.advance(HOUR)
    await room.report(room.mark(family, mark, "4", revision=2))
    await room.to_local(19, days=1)
    await room.digested()
    assert await room.claim() == []


async def test_a_forecast_comes_weekly_in_its_last_state_and_never_of_fewer_than_two_marks(room):
    family, other = await a_family(room), await a_family(room)
    await room.to_local(20)  # Friday, after the weekly digest
    await room.digested()
    await room.report(room.forecast(family, marks=4), room.forecast(other, marks=1))
    await room.report(room.forecast(family, revision=2, marks=6))
    await room.to_local(19, days=1)
    await room.digested()
    assert await room.claim() == []
    await room.to_local(19, days=6)
    await room.digested()
    (letter,) = await room.sent()
    assert letter.student_id == family.student
    assert [(item.kind, item.content["marks_counted"], item.correction) for item in letter.news] == [
        (Kind.FORECAST, 6, False)
    ]


async def test_weekly_news_come_in_the_same_message_as_the_daily_ones_of_that_day(room):
    family = await a_family(room)
    await room.report(room.forecast(family), room.mark(family, uuid4()))
    await room.to_local(19)  # a Friday
    await room.digested()
    (letter,) = await room.sent()
    assert {item.kind for item in letter.news} == {Kind.FORECAST, Kind.MARK}


async def test_a_groups_homework_concerns_its_present_members_only_or_those_it_is_for(room):
    family, other, group = await a_family(room), await a_family(room), uuid4()
    await room.report(room.group(group, family.student, other.student))
    await room.report(room.homework(group, uuid4(), "всем"), room.homework(group, uuid4(), "одному", other.student))
    await room.to_local(19)
    await room.digested()
    by_student = {one.student_id: sorted(text for _, text in told([one])) for one in await room.sent()}
    assert by_student == {family.student: ["всем"], other.student: ["всем", "одному"]}
    await room.report(room.group(group, other.student, revision=2), room.homework(group, uuid4(), "потом"))
    await room.to_local(19, days=1)
    await room.digested()
    assert [one.student_id for one in await room.sent()] == [other.student]


async def test_homework_that_is_given_to_others_while_its_message_waits_is_not_told_to_the_former_child(room):
    family, other, group, elsewhere = await a_family(room), await a_family(room), uuid4(), uuid4()
    await room.report(room.group(group, family.student, other.student), room.group(elsewhere, other.student))
    alone, moved = uuid4(), uuid4()
    await room.report(room.homework(group, alone, "одному", family.student), room.homework(group, moved, "классу"))
    await room.report(room.homework(group, uuid4(), "всем"))
    await room.to_local(19)
    await room.digested()
    await room.report(
        room.homework(group, alone, "другому", other.student, revision=2),
        room.homework(elsewhere, moved, "другим", revision=2),
    )
    by_student = {one.student_id: sorted(text for _, text in told([one])) for one in await room.sent()}
    assert by_student == {family.student: ["всем"], other.student: ["всем", "другим"]}


async def test_a_closed_group_has_nobody(room):
    family, group = await a_family(room), uuid4()
    await room.report(room.group(group, family.student))
    await room.report(room.group(group, family.student, revision=2, state="closed"), room.homework(group, uuid4()))
    await room.to_local(19)
    await room.digested()
    assert await room.claim() == []


async def test_what_happened_while_consent_was_withdrawn_is_not_told_later(room):
    family = await a_family(room)
    await room.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=room.now))
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    await room.digested()
    await room.tell(family.consent(family.mother, 3, email=ADDRESS, at=room.now))
    await room.to_local(19, days=1)
    await room.digested()
    assert await room.claim() == []


async def test_a_withdrawal_cancels_a_digest_that_is_made_and_not_sent(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    await room.digested()
    await room.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=room.now))
    assert await room.claim() == []
    assert [row["state"] for row in await room.query("SELECT state FROM notifications")] == ["cancelled"]


async def test_after_days_without_a_publisher_what_was_missed_comes_in_one_digest(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4(), "3"))
    await room.advance(DAY)
    await room.report(room.mark(family, uuid4(), "4"))
    await room.advance(DAY)
    await room.digested()
    assert sorted(told(await room.sent())) == [("mark", "3"), ("mark", "4")]
    (row,) = await room.query("SELECT due_at FROM digests")
    assert row["due_at"] > room.now


async def test_a_digest_has_the_same_id_however_often_and_by_whomever_it_is_made(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    before = await room.query("SELECT * FROM digests")
    await room.digested()
    (first,) = await room.query("SELECT notification_id FROM notifications")
    # As if the process had died before the window moved, and the message alone had been kept.
    await room.query(
        "UPDATE digests SET due_at = $1, daily_from = $2, weekly_from = $3 RETURNING 1",
        before[0]["due_at"],
        before[0]["daily_from"],
        before[0]["weekly_from"],
    )
    await room.advance(5 * MINUTE)
    await room.digested()
    assert [row["notification_id"] for row in await room.query("SELECT notification_id FROM notifications")] == [
        first["notification_id"]
    ]


async def test_many_processes_at_once_make_each_digest_once(room):
    families = [await a_family(room) for _ in range(8)]
    await room.report(*(room.mark(family, uuid4()) for family in families))
    await room.to_local(19)
    desks = [NewsDesk(room.database, room.clock, room.policy) for _ in range(4)]
    await asyncio.gather(*(desk.make_digests() for desk in desks))
    letters = await room.sent()
    assert sorted(one.student_id for one in letters) == sorted(family.student for family in families)


async def test_marks_at_once_for_who_wants_that_and_for_nobody_else(room):
    family, other = await a_family(room), await a_family(room)
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.report(room.mark(family, uuid4(), "5"), room.mark(other, uuid4(), "2"))
    await room.told_at_once()
    await room.advance(MINUTE)
    await room.report(room.mark(family, uuid4(), "4"))
    await room.told_at_once()
    assert await room.claim() == []
    await room.advance(10 * MINUTE)
    (letter,) = await room.sent()
    assert (letter.student_id, letter.occasion) == (family.student, "news")
    assert sorted(told([letter])) == [("mark", "4"), ("mark", "5")]
    await room.to_local(19)
    await room.digested()
    assert [one.student_id for one in await room.sent()] == [other.student]


async def test_who_changes_from_digests_to_at_once_still_hears_what_had_gathered(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4(), "3"))
    await room.advance(MINUTE)
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.advance(MINUTE)
    await room.report(room.mark(family, uuid4(), "5"))
    await room.told_at_once()
    await room.advance(11 * MINUTE)
    assert told(await room.sent()) == [("mark", "5")]
    await room.to_local(19)
    await room.digested()
    assert told(await room.sent()) == [("mark", "3")]


async def test_a_mark_corrected_while_its_message_waits_is_told_once_in_its_last_state(room):
    family, mark = await a_family(room), uuid4()
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.report(room.mark(family, mark, "2"))
    await room.told_at_once()
    await room.report(room.mark(family, mark, "5", revision=2))
    await room.told_at_once()
    await room.advance(11 * MINUTE)
    (letter,) = await room.sent()
    assert [(item.content["value"], item.correction) for item in letter.news] == [("5", False)]
    await room.report(room.mark(family, mark, "4", revision=3))
    await room.told_at_once()
    await room.advance(11 * MINUTE)
    (letter,) = await room.sent()
    assert [(item.content["value"], item.correction) for item in letter.news] == [("4", True)]


async def test_a_substitution_for_tomorrow_is_told_at_once_by_mail_and_push_and_its_revocation_too(room):
    family, group, substitution = await a_family(room, push=True), uuid4(), uuid4()
    await room.report(room.group(group, family.student), room.substitution(group, substitution, SATURDAY))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    for channel in ("email", "push"):
        (letter,) = await room.sent(channel)
        assert [(item.kind, item.on, item.content["what"]) for item in letter.news] == [
            (Kind.TIMETABLE_CHANGE, SATURDAY, "cancelled")
        ]
    await room.report(room.substitution(group, substitution, SATURDAY, revision=2, state="revoked"))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    (letter,) = await room.sent()
    assert [(item.state, item.correction) for item in letter.news] == [("withdrawn", True)]


async def test_a_substitution_that_is_revoked_before_it_was_told_is_not_told(room):
    family, group, substitution = await a_family(room), uuid4(), uuid4()
    await room.report(room.group(group, family.student), room.substitution(group, substitution, SATURDAY))
    await room.told_at_once()
    await room.report(room.substitution(group, substitution, SATURDAY, revision=2, state="revoked"))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    (letter,) = await room.claim()
    assert letter.is_empty


async def test_a_substitution_for_later_is_told_the_morning_before(room):
    family, group = await a_family(room), uuid4()
    await room.report(room.group(group, family.student), room.substitution(group, uuid4(), date(2026, 10, 27)))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    assert await room.claim() == []
    await room.to_local(23, 30, days=2)
    await room.told_at_once()
    assert await room.claim() == []
    await room.to_local(0, 1, days=1)  # Monday: now it is for tomorrow, but it is night
    await room.told_at_once()
    await room.to_local(6, 59)
    assert await room.claim() == []
    await room.to_local(7)
    assert len(await room.sent()) == 1


async def test_what_is_past_or_comes_with_a_replay_is_not_told_at_once(room):
    family, group = await a_family(room), uuid4()
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.report(
        room.group(group, family.student),
        room.substitution(group, uuid4(), date(2026, 10, 22)),
        room.mark(family, uuid4(), at=room.now - 3 * DAY),
    )
    await room.told_at_once()
    await room.to_local(19)
    await room.digested()
    assert await room.query("SELECT * FROM notifications") == []


async def test_of_lessons_only_a_cancelled_one_is_news(room):
    family, group, lesson = await a_family(room), uuid4(), uuid4()
    await room.report(
        room.group(group, family.student),
        room.lesson(group, lesson, SATURDAY, "planned"),
        room.lesson(group, uuid4(), SATURDAY, "planned"),
    )
    assert await room.query("SELECT * FROM news") == []
    await room.report(room.lesson(group, lesson, SATURDAY, "cancelled", revision=2))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    assert [len(one.news) for one in await room.sent()] == [1]


async def test_a_lesson_cancelled_twice_over_is_told_once(room):
    family, group = await a_family(room), uuid4()
    await room.report(
        room.group(group, family.student),
        room.lesson(group, uuid4(), SATURDAY, "cancelled"),
        room.substitution(group, uuid4(), SATURDAY),
    )
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    assert [len(one.news) for one in await room.sent()] == [1]


async def test_a_new_timetable_is_news_where_it_changes_tomorrow(room):
    family, group = await a_family(room), uuid4()
    await room.report(room.group(group, family.student), room.timetable(group, (6, 1, "Физика"), (1, 1, "Химия")))
    await room.report(room.timetable(group, (6, 1, "Физика"), (1, 1, "Биология"), revision=2))
    await room.told_at_once()
    assert await room.query("SELECT * FROM news") == []
    await room.report(room.timetable(group, (6, 1, "Физика"), (6, 2, "История"), revision=3))
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    (letter,) = await room.sent()
    (item,) = letter.news
    assert (item.on, item.content["what"]) == (SATURDAY, "timetable")
    assert [lesson["subject"] for lesson in item.content["lessons"]] == ["Физика", "История"]


async def test_a_digest_by_push_is_made_only_where_that_was_chosen(room):
    family = await a_family(room, push=True)
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    await room.digested()
    assert (len(await room.sent("push")), len(await room.sent())) == (0, 1)
    await room.choose(family, {(Kind.MARK, Channel.PUSH): Mode.DAILY, (Kind.MARK, Channel.EMAIL): Mode.OFF})
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19, days=1)
    await room.digested()
    assert (len(await room.sent("push")), len(await room.sent())) == (1, 0)


async def test_old_news_are_forgotten(room):
    family = await a_family(room)
    await room.report(room.mark(family, uuid4()))
    await room.advance(20 * DAY)
    await room.report(room.mark(family, uuid4()))
    await room.advance(16 * DAY)
    assert await room.desk.forget_old() == 1
    assert len(await room.query("SELECT * FROM news")) == 1


async def test_a_replay_changes_nothing(room):
    family, group, mark = await a_family(room), uuid4(), uuid4()
    events = [room.group(group, family.student), room.mark(family, mark), room.homework(group, uuid4())]
    await room.report(*events)
    before = await room.query("SELECT * FROM news ORDER BY news_id")
    await room.advance(HOUR)
    await room.query("DELETE FROM inbox RETURNING 1")
    await room.report(*events)
    assert await room.query("SELECT * FROM news ORDER BY news_id") == before


async def test_an_older_revision_never_replaces_a_newer_one(room):
    family, mark = await a_family(room), uuid4()
    await room.report(room.mark(family, mark, "5", revision=3))
    await room.report(room.mark(family, mark, "2", revision=2))
    (row,) = await room.query("SELECT revision, content FROM news")
    assert (row["revision"], row["content"]["value"]) == (3, "5")


async def test_news_taken_while_digests_are_read_are_never_lost_between_two_windows(service_database):
    """The digest waits for whoever is taking news, and what is taken afterwards counts as received afterwards."""
    room = Newsroom(await service_database("publisher"), Policy(news_late=timedelta(days=900)))
    family, seen = await a_family(room), 0
    marks: list[UUID] = []
    await room.query("UPDATE digests SET due_at = $1 RETURNING 1", room.now)
    for _ in range(10):
        batch = [uuid4() for _ in range(5)]
        marks += batch
        await asyncio.gather(
            *(room.report(room.mark(family, mark)) for mark in batch),
            room.desk.make_digests(),
            room.desk.make_digests(),
        )
        seen += sum(len(one.news) for one in await room.sent())
        await room.advance(DAY)
    await room.advance(DAY)
    await room.digested()
    seen += sum(len(one.news) for one in await room.sent())
    assert seen == len(marks)
