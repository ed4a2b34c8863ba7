"""Processes that die between two effects of telling news, and plans that keep to their indexes."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from services.publisher import falling_back, news
from services.publisher.domain.digests import Window
from services.publisher.domain.news import from_mark
from services.publisher.domain.preferences import Channel, Kind, Mode
from services.publisher.domain.states import NotificationState
from services.publisher.queries import digests as digest_queries
from services.publisher.queries import falling, notifications
from services.publisher.queries import news as news_queries
from services.publisher.queries.planning import prefer_indexes
from tests.integration.publisher_district import SECOND
from tests.integration.publisher_news import Newsroom
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

MINUTE = timedelta(minutes=1)
ADDRESS = "mother@example.org"


class Died(BaseException):
    """Stands for the end of the process: nothing after it runs, and no handler of ordinary errors sees it."""


@pytest.fixture
async def room(service_database: ServiceDatabases) -> Newsroom:
    return Newsroom(await service_database("publisher"))


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Crash points at which the process dies."""
    armed: set[str] = set()

    def crash(point: str) -> None:
        if point in armed:
            raise Died(point)

    for module in (falling_back, news):
        monkeypatch.setattr(module, "crash_here", crash)
    return armed


async def test_a_death_while_news_are_taken_loses_nothing(room, die_at):
    family = await room.known_family(email=ADDRESS)
    await room.digested()
    mark = room.mark(family, uuid4())
    die_at.add("publisher.after_news_before_commit")
    with pytest.raises(Died):
        await room.report(mark)
    assert await room.query("SELECT * FROM news") == []
    die_at.clear()
    await room.report(mark)
    assert len(await room.query("SELECT * FROM news")) == 1


async def test_a_death_while_digests_are_made_leaves_none_and_afterwards_each_is_made_once(room, die_at):
    family = await room.known_family(email=ADDRESS)
    await room.digested()
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19)
    die_at.add("publisher.after_digests_before_commit")
    with pytest.raises(Died):
        await room.digested()
    assert await room.query("SELECT * FROM notifications") == []
    die_at.clear()
    await room.advance(5 * MINUTE)
    await room.digested()
    await room.digested()
    assert [len(one.news) for one in await room.sent()] == [1]


async def test_a_death_while_news_are_told_at_once_tells_them_once(room, die_at):
    family = await room.known_family(email=ADDRESS)
    await room.choose(family, {(Kind.MARK, Channel.EMAIL): Mode.INSTANT})
    await room.report(room.mark(family, uuid4()))
    die_at.add("publisher.after_news_told_before_commit")
    with pytest.raises(Died):
        await room.told_at_once()
    die_at.clear()
    await room.told_at_once()
    await room.advance(10 * MINUTE)
    assert [len(one.news) for one in await room.sent()] == [1]


async def test_a_death_while_a_message_falls_asks_for_one_sheet(room, die_at):
    family, result = await room.known_family(email=ADDRESS), uuid4()
    await room.tell(family.grade(result, obtained=room.now))
    await room.tell(family.visible(result, family.mother, at=room.now + SECOND))
    await room.advance(10 * MINUTE)
    await room.settle(await room.claim(), NotificationState.FAILED, "550")
    die_at.add("publisher.after_fall_to_next_channel_before_commit")
    with pytest.raises(Died):
        await room.fall()
    assert await room.query("SELECT * FROM told_on_paper") == []
    die_at.clear()
    await room.fall()
    await room.fall()
    assert len(await room.query("SELECT * FROM extract_requests")) == 1


async def test_a_digest_waits_for_news_that_are_being_taken_and_tells_them(room):
    """A window by the clock alone would leave out what was received before its end and committed after it."""
    family = await room.known_family(email=ADDRESS)
    await room.digested()
    await room.to_local(18, 59)
    mark = room.mark(family, uuid4())
    async with room.database.transaction(DISTRICT) as conn:
        await news.take_news(conn, [from_mark(mark)], room.clock, room.policy)
        room.clock.advance(MINUTE)
        digests = asyncio.create_task(room.digested())

        async def waits() -> bool:
            waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return digests.done() or bool(await room.query(waiting))

        await eventually(waits, within=30, what="that the digest waits or is made")
    await asyncio.wait_for(digests, 30)
    await room.hear()
    assert [len(one.news) for one in await room.sent()] == [1]


async def test_what_is_taken_after_a_digest_has_read_counts_as_received_after_it_whatever_the_clock_says(room):
    family = await room.known_family(email=ADDRESS)
    await room.digested()
    await room.to_local(19)
    await room.digested()
    room.clock.advance(-MINUTE)  # another server's clock took over, and is behind
    await room.report(room.mark(family, uuid4()))
    await room.to_local(19, days=1)
    await room.digested()
    assert [len(one.news) for one in await room.sent()] == [1]


def whole_tables_read(node: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from one end to the other."""
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    for child in node.get("Plans", ()):
        found |= whole_tables_read(child)
    return found


async def test_with_years_of_history_no_query_of_the_news_reads_a_whole_table(room, service_database):
    """The tables' statistics are those of an empty table, as after a night in which they grew: the worst case."""
    family = await room.known_family(email=ADDRESS)
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute(
            """
            INSERT INTO news (news_id, revision, kind, school_id, student_id, state, content, changed_at, received_at,
                              first_received_at)
            SELECT gen_random_uuid(), 1, 'mark', gen_random_uuid(), gen_random_uuid(), 'current', '{}', now(), now(),
                   now()
            FROM generate_series(1, 20000)
            """
        )
        await conn.execute(
            """
            INSERT INTO notifications (notification_id, school_id, student_id, recipient_id, result_ids,
                                       value_revisions, state, queued_at, send_after, settled_at, fallen_at)
            SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '{}', '{}',
                   (ARRAY['sent', 'failed'])[1 + i % 2], now(), now(), now(), now()
            FROM generate_series(1, 20000) AS i
            """
        )
    window = Window(room.now, room.now + 10 * MINUTE, frozenset({Kind.MARK}))
    asked: dict[str, list[Any]] = {
        news_queries._LOCK_TO_TELL: [room.now, 50],
        news_queries._AUDIENCE: [[uuid4()]],
        news_queries._NEXT_TO_TELL: [room.now],
        news_queries._FORGET_OLD: [room.now, 10],
        digest_queries._LOCK_DUE: [room.now, 500],
        digest_queries._NEXT: [room.now],
        digest_queries._COLLECT: [
            [0],
            [family.student],
            [window.since],
            [window.until],
            ["mark"],
            [False],
            timedelta(days=2),
        ],
        notifications._DUE: [room.now, True, 5, "email", None],
        notifications._NEXT: [room.now, "push"],
        falling._EXPIRE: [room.now, 200],
        falling._LOCK_FAILED: [200],
        falling._UNTOLD: [[uuid4()]],
        falling._NEXT: [room.now],
        falling._REQUESTS_OF_OLDER: [[uuid4()]],
    }
    for statement, values in asked.items():
        async with room.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            plan = await conn.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *values)
            parsed = json.loads(plan) if isinstance(plan, str) else plan
            read = whole_tables_read(parsed[0]["Plan"])
        assert not read & {"news", "notifications", "told_on_paper", "digests"}, statement
