"""Pushes against a real push service that decrypts them, for every answer that one may give."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT, Database
from contracts.consent_changed import Contact
from contracts.values import Decision
from services.publisher.domain.preferences import Channel
from services.publisher.falling_back import Fallback
from services.publisher.metrics import PUSH_SERVICES_SUSPENDED
from services.publisher.push.client import PushClient
from services.publisher.push.endpoints import PushHosts
from services.publisher.push.sender import PushSender
from services.publisher.push.vapid import VapidKey
from services.publisher.queries import notifications, push
from services.publisher.queries.notifications import Draft
from sutki.stack.push_browser import Browser
from sutki.stack.push_sink import Misbehaviour, PushService
from tests.integration.publisher_district import HOUR, SECOND, District, Family
from tests.support.databases import ServiceDatabases
from tests.support.push_service import Pushing, a_push_service, send_all

MINUTE = 60 * SECOND
_numbers = count(1)


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


@pytest.fixture
async def service(district: District, tmp_path: Path) -> AsyncIterator[PushService]:
    async with a_push_service(tmp_path, district.clock) as running:
        yield running


@pytest.fixture
async def pushing(district: District, service: PushService) -> AsyncIterator[Pushing]:
    channel = Pushing(district.database, district.clock, district.policy, service)
    yield channel
    await channel.close()


async def a_reader(district: District, pushing: Pushing, *, browsers: int = 1) -> tuple[Family, list[Browser]]:
    """A family whose mother agreed to push, with so many browsers of hers."""
    family = await district.known_family(push=True)
    return family, [await pushing.subscribed(family.mother) for _ in range(browsers)]


async def told(district: District, family: Family, *, grades: int = 1, deadline: timedelta | None = 23 * HOUR) -> UUID:
    """A push about new grades for the mother is due; its id."""
    results = [uuid4() for _ in range(grades)]
    await district.tell(*(family.grade(one, obtained=district.now) for one in results))
    draft = Draft(
        # In order, so that what became of them can be listed in it.
        UUID(int=next(_numbers)),
        family.school_id,
        family.student,
        family.mother,
        Channel.PUSH,
        "results",
        district.now,
        versions=tuple((one, 1) for one in results),
        deadline_at=district.now + deadline if deadline else None,
    )
    async with district.database.transaction(DISTRICT) as conn:
        await notifications.gather(conn, [draft], district.now)
    return draft.notification_id


async def states(district: District) -> list[tuple[str, str | None]]:
    rows = await district.query(
        "SELECT state, reason FROM notifications WHERE channel = 'push' ORDER BY notification_id"
    )
    return [(row["state"], row["reason"]) for row in rows]


async def wait_of(district: District) -> float:
    """For how long the one push that waits will wait."""
    (row,) = await district.query("SELECT send_after FROM notifications WHERE channel = 'push' AND state = 'retry'")
    seconds: float = (row["send_after"] - district.now).total_seconds()
    return seconds


async def deliveries(district: District) -> list[tuple[str, int | None]]:
    rows = await district.query("SELECT outcome, status FROM push_deliveries ORDER BY at, attempt, outcome")
    return [(row["outcome"], row["status"]) for row in rows]


# What is sent


async def test_a_browser_can_read_that_there_is_something_new_and_nobody_else_can_read_anything(
    district, pushing, service
):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    assert await send_all(pushing.sender()) == 1
    (message,) = browser.delivered
    assert message.payload == {
        "title": "Новая итоговая отметка",
        "path": f"/children/{family.student}/results",
        "language": "ru",
        "tag": message.headers["Topic"],
    }
    assert (message.headers["TTL"], message.headers["Urgency"]) == (str(23 * 3600), "high")
    assert message.claims["sub"] == "mailto:diary@example.org"
    assert message.claims["exp"] == int((district.now + 12 * HOUR).timestamp())
    assert (service.complaints, await states(district)) == ([], [("sent", None)])
    assert await deliveries(district) == [("accepted", 201)]


async def test_the_language_is_the_recipients(district, pushing):
    family, (browser,) = await a_reader(district, pushing)
    english = family.consent(family.mother, 2, push=True, at=district.now).model_copy(
        update={"contact": Contact(email=None, language="en")}
    )
    await district.tell(english)
    await told(district, family, grades=2)
    await send_all(pushing.sender())
    assert [(one.payload["title"], one.payload["language"]) for one in browser.delivered] == [
        ("New final grades", "en")
    ]


async def test_every_browser_of_a_person_is_told_and_no_other(district, pushing, service):
    family, browsers = await a_reader(district, pushing, browsers=3)
    _, others = await a_reader(district, pushing)
    await told(district, family)
    await send_all(pushing.sender())
    assert [len(one.delivered) for one in browsers] == [1, 1, 1]
    assert [len(one.delivered) for one in others] == [0]


async def test_a_push_is_in_the_ledger_for_every_result_that_it_tells(district, pushing):
    family, _ = await a_reader(district, pushing)
    notification_id = await told(district, family, grades=2)
    await send_all(pushing.sender())
    entries = await district.ledger("pushed")
    assert len({one["result_id"] for one in entries}) == 2
    assert {one["notification_id"] for one in entries} == {str(notification_id)}
    assert {one["recipient_id"] for one in entries} == {str(family.mother)}
    assert "endpoint" not in str(entries)


async def test_connections_are_kept_from_message_to_message(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    sender = pushing.sender()
    for _ in range(4):
        await told(district, family)
        await send_all(sender)
        await district.advance(SECOND)
    assert (len(service.taken), len(service.connections)) == (4, 1)


async def test_a_newer_message_takes_the_place_of_one_that_a_sleeping_browser_has_not_got(district, pushing):
    family, (browser,) = await a_reader(district, pushing)
    browser.online = False
    for _ in range(3):
        await told(district, family)
        await send_all(pushing.sender())
    browser.come_online()
    assert len(browser.delivered) == 1
    assert [state for state, _ in await states(district)] == ["sent"] * 3


# Consent


async def test_consent_is_checked_when_the_message_is_claimed(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    await district.query("UPDATE consents SET push_decision = 'withdrawn' RETURNING 1")
    await send_all(pushing.sender())
    assert (service.requests, await states(district)) == ([], [("cancelled", "no_consent")])


async def test_consent_is_checked_once_more_when_the_message_is_sent_late(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender(recheck_after_seconds=-1)
    letters, _ = await sender._claim()
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, push=True, at=district.now))
    await sender._settle(await sender.send_all(letters, 0, 0))
    assert (service.requests, await states(district)) == ([], [("cancelled", "no_consent")])


async def test_withdrawal_cancels_what_waits(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, push=True, at=district.now))
    assert await states(district) == [("cancelled", "no_consent")]
    await send_all(pushing.sender())
    assert service.requests == []


async def test_with_a_stale_view_of_consents_pushes_wait(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    await district.advance(5 * MINUTE, fresh=False)
    assert await send_all(pushing.sender()) == 0
    assert (service.requests, await states(district)) == ([], [("queued", None)])


# What push services answer


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_way_to_say_yes_is_one(district, pushing, service, status):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    service.behave(always=Misbehaviour(status))
    await send_all(pushing.sender())
    assert (await states(district), await deliveries(district)) == ([("sent", None)], [("accepted", status)])


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten_and_the_message_falls_to_the_next_channel(
    district, pushing, service, status
):
    family, _ = await a_reader(district, pushing, browsers=2)
    await told(district, family)
    service.behave(Misbehaviour(status), Misbehaviour(status))
    await send_all(pushing.sender())
    assert await pushing.subscriptions() == []
    assert await states(district) == [("failed", "no_subscription")]
    assert await deliveries(district) == [("gone", status)] * 2


async def test_one_browser_that_is_gone_does_not_keep_the_other_from_being_told(district, pushing, service):
    family, (gone, other) = await a_reader(district, pushing, browsers=2)
    service.unsubscribe(gone)
    await told(district, family)
    await send_all(pushing.sender())
    assert await states(district) == [("sent", None)]
    assert [one["endpoint"] for one in await pushing.subscriptions()] == [other.endpoint]
    assert len(other.delivered) == 1


async def test_a_browser_that_subscribed_again_while_it_was_found_gone_is_kept(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender()
    letters, _ = await sender._claim()
    service.behave(Misbehaviour(410))
    outcomes = await sender.send_all(letters, 0, asyncio.get_running_loop().time() + 10**6)
    await district.advance(SECOND)
    await pushing.subscribe(family.mother, browser)
    await sender._settle(outcomes)
    assert len(await pushing.subscriptions()) == 1


async def test_without_any_browser_the_message_falls_to_the_next_channel(district, pushing, service):
    family = await district.known_family(push=True)
    await told(district, family)
    await send_all(pushing.sender())
    assert (service.requests, await states(district)) == ([], [("failed", "no_subscription")])


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_service_that_asks_for_time_gets_it(district, pushing, service, form):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    asked = "300" if form == "seconds" else format_datetime(district.now + 300 * SECOND, usegmt=True)
    headers = {"Retry-After": asked, "Date": format_datetime(district.now, usegmt=True)}
    service.behave(Misbehaviour(429, headers))
    sender = pushing.sender()
    await send_all(sender)
    assert await states(district) == [("retry", "push_429")]
    assert await wait_of(district) == pytest.approx(300, abs=1)
    # Other messages to that browser wait as well, without being tried.
    await told(district, family)
    await district.advance(MINUTE)
    await send_all(sender)
    assert len(service.requests) == 1
    assert await states(district) == [("retry", "push_429"), ("retry", "push_throttled")]
    await district.advance(10 * MINUTE)
    await send_all(sender)
    assert [state for state, _ in await states(district)] == ["sent", "sent"]
    assert len(browser.delivered) == 2


async def test_no_service_holds_a_message_up_for_longer_than_the_setting_says(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(429, {"Retry-After": "999999999"}))
    await send_all(pushing.sender(retry_after_max_seconds=600))
    assert await wait_of(district) == pytest.approx(600)


async def test_a_throttled_browser_does_not_keep_the_other_from_being_told(district, pushing, service):
    family, (slow, quick) = await a_reader(district, pushing, browsers=2)
    service.behave(always=Misbehaviour(429, {"Retry-After": "60"}), to=slow)
    await told(district, family)
    await send_all(pushing.sender())
    assert await states(district) == [("sent", None)]
    assert (len(slow.delivered), len(quick.delivered)) == (0, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_service_that_refuses_our_key_is_left_alone_and_its_messages_fall_at_once(
    district, pushing, service, status
):
    family, _ = await a_reader(district, pushing)
    other, _ = await a_reader(district, pushing)
    service.behave(always=Misbehaviour(status))
    sender = pushing.sender()
    await told(district, family)
    await send_all(sender)
    assert await states(district) == [("failed", f"push_{status}")]
    await told(district, other)
    await send_all(sender)
    assert (await states(district))[1] == ("failed", "push_suspended")
    assert len(service.requests) == 1
    await sender.measure()
    assert PUSH_SERVICES_SUSPENDED._value.get() == 1
    # The subscriptions are not to blame, and are kept.
    assert len(await pushing.subscriptions()) == 2
    service.behave()
    await district.advance(61 * MINUTE)
    await told(district, other)
    await send_all(sender)
    assert (await states(district))[2] == ("sent", None)
    await sender.measure()
    assert PUSH_SERVICES_SUSPENDED._value.get() == 0


async def test_another_key_ends_the_suspension_at_once(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    await send_all(pushing.sender(key=VapidKey.generate()))
    assert await states(district) == [("failed", "push_403")]
    await told(district, family)
    await send_all(pushing.sender())
    assert [state for state, _ in await states(district)] == ["failed", "sent"]
    assert len(browser.delivered) == 1


async def test_one_browser_bound_to_a_foreign_key_does_not_silence_the_service_for_the_others(
    district, pushing, service
):
    family, _ = await a_reader(district, pushing)
    bad = await district.known_family(push=True)
    await pushing.subscribe(bad.mother, service.browser(VapidKey.generate().public))
    sender = pushing.sender()
    await told(district, family)
    await send_all(sender)
    await told(district, bad)
    await send_all(sender)
    await told(district, family)
    await send_all(sender)
    assert await states(district) == [("sent", None), ("failed", "push_403"), ("sent", None)]
    # And that browser is not tried again with each message.
    asked = len(service.requests)
    await told(district, bad)
    await send_all(sender)
    assert (await states(district))[-1] == ("failed", "push_refused")
    assert len(service.requests) == asked


@pytest.mark.parametrize("status", [400, 413, 405])
async def test_what_is_our_fault_is_not_repeated(district, pushing, service, status):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(status))
    await send_all(pushing.sender())
    assert await states(district) == [("failed", f"push_{status}")]
    await district.advance(24 * HOUR)
    await send_all(pushing.sender())
    assert (len(service.requests), len(await pushing.subscriptions())) == (1, 1)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_service_in_trouble_is_tried_again_later_each_time(district, pushing, service, status):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(status), Misbehaviour(status))
    sender = pushing.sender()
    waits = []
    for _ in range(2):
        await send_all(sender)
        assert await states(district) == [("retry", f"push_{status}")]
        waits.append(await wait_of(district))
        await district.advance(timedelta(seconds=waits[-1]))
    assert 15 <= waits[0] <= 30 <= waits[1] <= 60
    await send_all(sender)
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_too_many_attempts_are_a_failure(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    service.behave(always=Misbehaviour(500))
    await send_all(pushing.sender(max_attempts=1))
    assert await states(district) == [("failed", "too_many_attempts_push_500")]


async def test_a_redirect_is_not_followed(district, pushing, service):
    family, (browser, other) = await a_reader(district, pushing, browsers=2)
    service.behave(always=Misbehaviour(307, {"Location": other.endpoint}))
    await told(district, family)
    await send_all(pushing.sender())
    assert await states(district) == [("failed", "push_307")]
    assert sorted(token for token, _ in service.requests) == sorted([browser.token, other.token])
    assert other.delivered == []


async def test_an_answer_that_never_ends_is_not_read(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(201, body_bytes=256 << 20, takes=True))
    async with asyncio.timeout(20):
        await send_all(pushing.sender())
    assert await states(district) == [("sent", None)]
    assert service.complaints == ["the sender hung up on a long answer"]


async def test_an_answer_that_stops_in_the_middle_holds_nobody_up(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(201, cut="stall", hang_seconds=30, takes=True))
    async with asyncio.timeout(10):
        await send_all(pushing.sender(timeout_seconds=20))
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_a_service_that_does_not_answer_is_given_up_and_tried_again(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(hang_seconds=30))
    sender = pushing.sender(timeout_seconds=0.3)
    async with asyncio.timeout(10):
        await send_all(sender)
    assert await states(district) == [("retry", "push_timeout")]
    await district.advance(HOUR)
    await send_all(sender)
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


@pytest.mark.parametrize("cut", ["silent", "head"])
async def test_what_may_have_arrived_before_the_connection_broke_is_sent_again_in_its_place(
    district, pushing, service, cut
):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(cut=cut, takes=True))
    sender = pushing.sender()
    await send_all(sender)
    assert await states(district) == [("retry", "push_connection_lost")]
    await district.advance(HOUR)
    await send_all(sender)
    assert await states(district) == [("sent", None)]
    # It arrived twice, and the second stands where the first stood.
    assert (len(browser.delivered), len(browser.shown)) == (2, 1)
    assert len(await district.ledger("pushed")) == 1


async def test_an_answer_that_breaks_off_after_its_status_counts(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    service.behave(Misbehaviour(201, cut="body", takes=True))
    await send_all(pushing.sender())
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_a_service_that_cannot_be_reached_is_tried_again(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    await service.stop()
    sender = pushing.sender()
    await send_all(sender)
    assert (await states(district), await deliveries(district)) == ([("retry", "push_not_reached")], [("later", None)])
    await service.start()
    await district.advance(HOUR)
    await send_all(sender)
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_a_service_whose_certificate_is_not_trusted_gets_nothing(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender()
    sender.client = PushClient(pushing.hosts)
    await send_all(sender)
    await sender.client.close()
    assert (service.requests, await states(district)) == ([], [("retry", "push_not_reached")])


async def test_a_name_that_leads_into_the_private_network_gets_nothing(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    listed = PushHosts.listed(service.host)
    sender = pushing.sender(hosts=listed)
    sender.client = PushClient(listed, ca_file=service.ca_file)
    await send_all(sender)
    await sender.client.close()
    assert (service.requests, await states(district)) == ([], [("retry", "push_private_address")])


async def test_an_endpoint_that_is_no_longer_allowed_gets_nothing(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    await send_all(pushing.sender(hosts=PushHosts()))
    assert (service.requests, await states(district)) == ([], [("failed", "no_subscription")])
    assert await pushing.subscriptions() == []


async def test_one_broken_message_harms_no_other(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    other, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    await district.query(
        "UPDATE push_subscriptions SET p256dh = $1 WHERE person_id = $2 RETURNING 1", bytes(65), family.mother
    )
    await told(district, other)
    await send_all(pushing.sender())
    assert sorted(await states(district)) == [("retry", "push_broke"), ("sent", None)]
    assert len(browser.delivered) == 1


# Without a key


async def test_without_a_key_nothing_is_sent_and_what_is_queued_falls_on(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender(tokens=None)
    await send_all(sender)
    await sender.measure()
    assert (service.requests, await states(district)) == ([], [("failed", "push_not_configured")])


# Crashes


async def claimed_by_a_dead_process(pushing: Pushing, **different: Any) -> PushSender:
    """A process claims what is due and is gone; another one, which lives on."""
    await pushing.sender()._claim()
    return pushing.sender(**different)


async def test_what_a_vanished_process_had_claimed_is_sent_again(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    other = await claimed_by_a_dead_process(pushing)
    assert await other.list_abandoned() == 0
    await district.advance(5 * MINUTE)
    assert await other.list_abandoned() == 1
    assert await states(district) == [("retry", "sender_lost")]
    await send_all(other)
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_a_message_that_was_sent_before_the_process_died_is_shown_once(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    dying = pushing.sender()
    letters, _ = await dying._claim()
    await dying.send_all(letters, 0, asyncio.get_running_loop().time() + 10**6)
    await district.advance(5 * MINUTE)
    other = pushing.sender()
    await other.list_abandoned()
    await send_all(other)
    assert (len(browser.delivered), len(browser.shown), len(await district.ledger("pushed"))) == (2, 1, 1)


class Died(BaseException):
    """Stands for the end of the process: nothing after it runs, and no handler of ordinary errors sees it."""


@pytest.mark.parametrize(
    ("point", "arrived"),
    [
        ("publisher.push_after_claim_before_send", 0),
        ("publisher.push_after_accepted", 1),
        ("publisher.push_after_settlement_before_commit", 1),
    ],
)
async def test_a_sender_that_dies_loses_nothing_and_what_it_repeats_is_shown_and_noted_once(
    district, pushing, service, monkeypatch, point, arrived
):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)

    def die(reached: str) -> None:
        if reached == point:
            raise Died(point)

    with monkeypatch.context() as armed:
        armed.setattr("services.publisher.sending.crash_here", die)
        armed.setattr("services.publisher.push.sender.crash_here", die)
        with pytest.raises(Died):
            await pushing.sender().send_due(0)
    assert (await states(district), len(browser.delivered)) == ([("claimed", None)], arrived)
    await district.advance(5 * MINUTE)
    survivor = pushing.sender()
    assert await survivor.list_abandoned() == 1
    await send_all(survivor)
    assert await states(district) == [("sent", None)]
    assert (len(browser.delivered), len(browser.shown), len(await district.ledger("pushed"))) == (arrived + 1, 1, 1)


async def test_a_message_that_kills_every_process_ends_as_a_failure(district, pushing, service):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    reached = []
    for _ in range(3):
        other = await claimed_by_a_dead_process(pushing, max_attempts=3)
        await district.advance(5 * MINUTE)
        assert await other.list_abandoned() == 1
        reached += await states(district)
    assert reached == [("retry", "sender_lost")] * 2 + [("failed", "too_many_attempts_sender_lost")]
    assert await send_all(pushing.sender()) == 0


async def test_where_nothing_may_be_repeated_a_lost_claim_is_undecided(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    other = await claimed_by_a_dead_process(pushing, repeat=False)
    await district.advance(5 * MINUTE)
    assert await other.list_abandoned() == 1
    assert await states(district) == [("undecided", "sender_lost")]
    await told(district, family)
    service.behave(Misbehaviour(cut="silent"))
    await send_all(other)
    assert (await states(district))[1] == ("undecided", "push_connection_lost")
    assert browser.delivered == []


async def test_the_claims_of_the_mail_senders_are_not_ours_to_repeat(district, pushing):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    await district.query("UPDATE notifications SET channel = 'email' RETURNING 1")
    await district.query(
        "UPDATE notifications SET state = 'claimed', claimed_at = $1, claimed_by = $2 RETURNING 1",
        district.now,
        uuid4(),
    )
    await district.advance(5 * MINUTE)
    assert await pushing.sender().list_abandoned() == 0


async def test_a_frozen_process_that_wakes_up_does_not_settle_what_another_has_sent(district, pushing, service):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    frozen = pushing.sender(recheck_after_seconds=-1)
    letters, _ = await frozen._claim()
    await district.advance(5 * MINUTE)
    other = pushing.sender()
    await other.list_abandoned()
    await send_all(other)
    await frozen._settle(await frozen.send_all(letters, 0, 0))
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)


async def test_a_settlement_that_comes_after_another_process_has_sent_it_too_writes_nothing_down(district, pushing):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    frozen, other = pushing.sender(), pushing.sender()
    letters, _ = await frozen._claim()
    outcomes = await frozen.send_all(letters, 0, asyncio.get_running_loop().time() + 10**6)
    await district.advance(5 * MINUTE)
    await other.list_abandoned()
    await send_all(other)
    await frozen._settle(outcomes)
    assert (await states(district), len(browser.shown)) == ([("sent", None)], 1)
    assert (len(await district.ledger("pushed")), await deliveries(district)) == (1, [("accepted", 201)])


class LosesTheDatabase(PushClient):
    """Connections to the push service in the moment in which the database goes away: after its 201."""

    database: Database

    async def post(self, *arguments: Any) -> Any:
        reply = await super().post(*arguments)
        await self.database.close()
        return reply


async def test_what_was_sent_while_the_database_went_away_is_written_down_when_it_is_back(
    district, pushing, service, service_database
):
    family, (browser,) = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender()
    urls = await service_database.urls("publisher")
    sender.database = await Database.connect(urls.app, application_name="test.lost")
    sender.client = LosesTheDatabase(pushing.hosts, ca_file=service.ca_file)
    sender.client.database = sender.database
    for _ in range(2):
        with pytest.raises(asyncpg.InterfaceError):
            await sender.send_due(0)
    sender.database = district.database
    await district.advance(5 * MINUTE)
    await sender.beat()
    assert await sender.list_abandoned() == 0
    assert await sender.send_due(0) == 1
    await sender.client.close()
    assert (await states(district), len(browser.delivered)) == ([("sent", None)], 1)
    assert (len(await district.ledger("pushed")), await deliveries(district)) == (1, [("accepted", 201)])


async def test_many_senders_at_once_send_each_push_once(district, pushing, service):
    families = [district.family() for _ in range(12)]
    await district.hear()
    await district.tell(
        district.school(),
        *(one.person() for one in families),
        *(one.account(one.mother) for one in families),
        *(one.consent(one.mother, push=True) for one in families),
    )
    browsers = [await pushing.subscribed(one.mother) for one in families]
    for one in families:
        await told(district, one)
    await asyncio.gather(*(send_all(pushing.sender(claim_batch=2)) for _ in range(4)))
    assert [len(one.delivered) for one in browsers] == [1] * 12


# The next channel


async def test_what_no_browser_took_is_told_by_mail(district, pushing, service):
    family = await district.known_family(push=True, email="mother@example.org")
    browser = await pushing.subscribed(family.mother)
    result = uuid4()
    await district.tell(family.grade(result, obtained=district.now))
    await district.tell(family.visible(result, family.mother, at=district.now + SECOND))
    await district.query("DELETE FROM notifications WHERE channel = 'email' RETURNING 1")
    service.unsubscribe(browser)
    await district.advance(11 * MINUTE)
    await send_all(pushing.sender())
    assert await states(district) == [("failed", "no_subscription")]
    assert await Fallback(district.database, district.clock, district.policy).fall() == 1
    (mail,) = await district.query("SELECT * FROM notifications WHERE channel = 'email'")
    (failed,) = await district.query("SELECT notification_id FROM notifications WHERE channel = 'push'")
    assert (mail["state"], mail["fell_from"], mail["result_ids"]) == ("queued", failed["notification_id"], [result])


# What is kept


async def test_the_record_of_deliveries_is_pruned(district, pushing):
    family, _ = await a_reader(district, pushing)
    await told(district, family)
    sender = pushing.sender(deliveries_keep=timedelta(days=30))
    await send_all(sender)
    await district.advance(timedelta(days=29))
    assert await sender.forget_deliveries() == 0
    await district.advance(timedelta(days=2))
    assert (await sender.forget_deliveries(), await deliveries(district)) == (1, [])


async def test_forgetting_people_removes_their_browsers_and_no_others(district, pushing):
    family, _ = await a_reader(district, pushing, browsers=2)
    other, _ = await a_reader(district, pushing)
    async with district.database.transaction(DISTRICT) as conn:
        assert await push.forget_people(conn, [family.mother]) == 2
    assert [one["person_id"] for one in await pushing.subscriptions()] == [other.mother]


async def test_with_the_person_their_browsers_are_erased(district, pushing):
    family, _ = await a_reader(district, pushing)
    await district.erase(family.mother)
    assert await pushing.subscriptions() == []


async def test_nothing_of_a_browser_stands_in_the_logs(district, pushing, service, caplog, capsys):
    family, (browser,) = await a_reader(district, pushing)
    service.behave(*(Misbehaviour(status) for status in (400, 403)), Misbehaviour(cut="silent"), Misbehaviour(410))
    sender = pushing.sender(suspension=timedelta(0))
    for _ in range(4):
        await told(district, family)
        await send_all(sender)
    said = caplog.text + "".join(capsys.readouterr())
    assert "push_rejected" in said
    assert browser.token not in said
    assert str(family.mother) not in said
