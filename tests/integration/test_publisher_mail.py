"""Mails against a real SMTP server: who gets one, what stands in it, and what happens when the server or we fail."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT, Database
from contracts.values import Decision
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import NO_QUIET
from services.publisher.domain.states import NotificationState
from services.publisher.falling_back import Fallback
from services.publisher.mail.compose import Mail
from services.publisher.mail.listing import list_mails, resolve_undecided
from services.publisher.mail.smtp import MailConnection, Server, Verdict
from services.publisher.queries import notifications
from sutki.stack.ports import free_port
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.integration.publisher_mail import (
    ADDRESS,
    MINUTE,
    Sink,
    a_sender,
    mail_states,
    plain_text,
    send_all,
    serving,
    shown,
)
from tests.support.databases import ServiceDatabases


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def server(sink: Sink) -> Iterator[Server]:
    with serving(sink) as server:
        yield server


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


@pytest.fixture
async def sleepless(service_database: ServiceDatabases) -> District:
    """A district in which nobody is spared in the night."""
    return District(await service_database("publisher"), Policy(quiet=NO_QUIET))


async def test_a_quarters_end_is_one_mail_with_every_subject_and_the_childs_name(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    for subject in ("Алгебра", "Физика", "Химия"):
        await shown(district, family, uuid4(), subject=subject)
        await district.advance(MINUTE)
    sender = a_sender(district, server)
    assert await send_all(sender) == 0
    await district.advance(10 * MINUTE)
    await send_all(sender)
    assert sink.recipients == [ADDRESS]
    text = plain_text(sink.mails[0])
    for expected in ("Анна", "Алгебра", "Физика", "Химия", "1-я четверть", ": 4", "https://diary.example.org"):
        assert expected in text
    assert await mail_states(district) == [("sent", None)]


async def test_headers_mark_it_as_automatic_and_the_message_id_is_the_notifications(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    mail = sink.mails[0]
    (row,) = await district.query("SELECT notification_id FROM notifications")
    assert mail["Message-ID"] == f"<{row['notification_id']}@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<https://diary.example.org/off>"
    assert mail["Date"].datetime == district.now
    assert mail["Subject"] == "Новый результат: Анна"
    assert {part.get_content_type() for part in mail.iter_parts()} == {"text/plain", "text/html"}


async def test_the_language_is_the_recipients(district, server, sink):
    family = await district.known_family()
    await district.tell(family.consent(family.mother, 2, email=ADDRESS, language="en"))
    await shown(district, family, uuid4(), state="deferred")
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails[0]["Subject"] == "Grade deferred: Анна"
    assert "deferred until 20 November 2026" in plain_text(sink.mails[0])


async def test_paper_and_missing_consent_get_no_mail(district, server, sink):
    family, result = await district.known_family(), uuid4()
    await shown(district, family, result)
    await district.tell(family.consent(family.father, email="father@example.org"))
    await district.advance(11 * MINUTE)
    for request in await district.asked_for_paper():
        await district.tell(family.printed(request, at=district.now))
    await district.advance(11 * MINUTE)
    assert await send_all(a_sender(district, server)) == 0
    assert sink.mails == []


async def test_withdrawing_consent_cancels_the_queued_mail(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=district.now))
    assert await mail_states(district) == [("cancelled", "no_consent")]
    assert [one["mails_cancelled"] for one in await district.ledger("closed")] == [1]
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails == []


async def test_consent_is_checked_again_when_the_mail_is_claimed(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.query("UPDATE consents SET email_decision = 'withdrawn' RETURNING 1")
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails == []
    assert await mail_states(district) == [("cancelled", "no_consent")]


async def test_consent_is_checked_once_more_when_the_conversation_begins_late(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server, recheck_after_seconds=-1)
    letters, _ = await sender._claim()
    await district.tell(family.consent(family.mother, 2, Decision.WITHDRAWN, at=district.now))
    connection = MailConnection(server)
    await sender._settle([await sender._send(letter, connection, 0) for letter in letters])
    assert sink.mails == []
    assert await mail_states(district) == [("cancelled", "no_consent")]


async def test_with_a_stale_view_of_consents_mails_wait(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE, fresh=False)
    sender = a_sender(district, server)
    assert await send_all(sender) == 0
    assert await mail_states(district) == [("queued", None)]
    await district.hear()
    await send_all(sender)
    assert sink.recipients == [ADDRESS]


async def test_a_corrected_result_is_told_in_its_last_version_only(district, server, sink):
    family, result = await district.known_family(email=ADDRESS), uuid4()
    await shown(district, family, result)
    await district.tell(family.grade(result, 2, "5", obtained=district.now))
    await district.tell(family.visible(result, family.mother, at=district.now, value_revision=2))
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    text = plain_text(sink.mails[0])
    assert (text.count("Алгебра"), ": 5" in text, ": 4" in text) == (1, True, False)


async def test_a_withdrawn_result_leaves_nothing_to_tell(district, server, sink):
    family, result = await district.known_family(email=ADDRESS), uuid4()
    await shown(district, family, result)
    await district.tell(family.grade(result, 2, state="withdrawn"))
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails == []
    assert await mail_states(district) == [("cancelled", "nothing_left_to_tell")]


async def test_a_mail_is_in_the_ledger_for_every_result_that_it_tells(district, server, sink):
    family, results = await district.known_family(email=ADDRESS), [uuid4(), uuid4()]
    await shown(district, family, *results)
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert {one["result_id"] for one in await district.ledger("emailed")} == {str(one) for one in results}


@pytest.mark.parametrize("where", ["rcpt", "data"])
async def test_a_temporary_refusal_is_tried_again_later_each_time(district, server, sink, where):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    (sink.rcpt_answers if where == "rcpt" else sink.answers).extend(["451 come later", "451 come later"])
    sender = a_sender(district, server)
    waits = []
    for _ in range(2):
        assert await send_all(sender) == 1
        (row,) = await district.query("SELECT state, reason, send_after FROM notifications")
        assert (row["state"], row["reason"]) == ("retry", "smtp_451")
        waits.append((row["send_after"] - district.now).total_seconds())
        await district.advance(row["send_after"] - district.now)
    assert 15 <= waits[0] <= 30 <= waits[1] <= 60
    await send_all(sender)
    assert await mail_states(district) == [("sent", None)]
    assert len(sink.mails) == 1


async def test_too_many_temporary_refusals_are_a_failure(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sink.answers.append("451 come later")
    await send_all(a_sender(district, server, max_attempts=1))
    assert await mail_states(district) == [("failed", "too_many_attempts_smtp_451")]


async def test_a_permanent_refusal_is_a_failure_that_is_listed_and_harms_no_other_mail(district, server, sink):
    refused = await district.known_family(email=ADDRESS)
    taken = district.family()
    await district.tell(taken.person(), taken.account(taken.mother), taken.consent(taken.mother, email="b@example.org"))
    await shown(district, refused, uuid4())
    await district.advance(SECOND)
    await shown(district, taken, uuid4())
    await district.advance(11 * MINUTE)
    sink.rcpt_answers.append("550 no such user")
    await send_all(a_sender(district, server))
    assert sink.recipients == ["b@example.org"]
    assert await mail_states(district) == [("failed", "smtp_550"), ("sent", None)]
    listed = await list_mails(district.database, [NotificationState.FAILED])
    assert [(one.recipient_id, one.reason) for one in listed] == [(refused.mother, "smtp_550")]


async def test_an_unusable_address_is_a_failure_and_never_reaches_the_server(district, server, sink):
    family = await district.known_family(email="mother@example.org\r\nBcc: spy@example.org")
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.mails == []
    assert await mail_states(district) == [("failed", "unusable_address")]


async def test_when_the_server_cannot_be_reached_nothing_is_claimed(district):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, Server("127.0.0.1", free_port(), timeout_seconds=1))
    with pytest.raises(OSError, match="mail server"):
        await sender.send_due(MailConnection(sender.sending.server))
    (row,) = await district.query("SELECT state, attempts FROM notifications")
    assert (row["state"], row["attempts"]) == ("queued", 0)


async def test_a_connection_lost_after_the_message_leaves_it_undecided_and_it_is_never_sent_again(
    district, server, sink
):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sink.drop_after_data = True
    sender = a_sender(district, server)
    await send_all(sender)
    assert await mail_states(district) == [("undecided", "connection_lost_after_data")]
    sink.drop_after_data = False
    await district.advance(24 * HOUR)
    assert await send_all(sender) == 0
    assert len(sink.mails) == 1


async def test_a_connection_is_kept_for_many_mails_and_made_anew_when_the_server_dropped_it(district, server, sink):
    connection, sender = MailConnection(server), a_sender(district, server)
    for _ in range(3):
        family = await district.known_family(email=ADDRESS)
        await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await send_all(sender, connection)
    assert (len(sink.mails), len(sink.sessions)) == (3, 1)
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    connection.close()
    await send_all(sender, connection)
    assert (len(sink.mails), len(sink.sessions)) == (4, 2)


async def test_what_a_vanished_process_had_claimed_is_undecided_and_listed_not_resent(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    await a_sender(district, server)._claim()
    other = a_sender(district, server)
    await district.advance(MINUTE)
    assert await other.list_abandoned() == 0
    await district.advance(timedelta(minutes=2))
    assert await other.list_abandoned() == 1
    assert await send_all(other) == 0
    assert [one.reason for one in await list_mails(district.database)] == ["sender_lost"]


async def test_a_slow_process_that_still_lives_keeps_its_claims(district, server):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    slow, other = a_sender(district, server), a_sender(district, server)
    await slow._claim()
    await district.advance(5 * MINUTE)
    await slow.beat()
    assert await other.list_abandoned() == 0


async def test_a_frozen_process_that_wakes_up_sends_nothing_it_has_lost(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    frozen = a_sender(district, server, recheck_after_seconds=-1)
    letters, _ = await frozen._claim()
    await district.advance(5 * MINUTE)
    await a_sender(district, server).list_abandoned()
    await frozen._settle([await frozen._send(letter, MailConnection(server), 0) for letter in letters])
    assert sink.mails == []
    assert await mail_states(district) == [("retry", "claim_lost")]


async def test_the_operator_decides_what_is_undecided(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server)
    await sender._claim()
    await district.advance(5 * MINUTE)
    await sender.list_abandoned()
    (listed,) = await list_mails(district.database)
    assert await resolve_undecided(district.database, listed.notification_id, resend=True, clock=district.clock)
    assert not await resolve_undecided(district.database, listed.notification_id, resend=True, clock=district.clock)
    await send_all(sender)
    assert sink.mails[0]["Message-ID"] == f"<{listed.notification_id}@example.org>"


async def test_what_the_operator_resends_after_its_time_is_sent_and_does_not_fall_at_once(sleepless, server, sink):
    family = await sleepless.known_family(email=ADDRESS)
    await shown(sleepless, family, uuid4())
    await sleepless.advance(11 * MINUTE)
    sender = a_sender(sleepless, server)
    await sender._claim()
    await sleepless.advance(5 * HOUR)
    await sender.list_abandoned()
    (listed,) = await list_mails(sleepless.database)
    (row,) = await sleepless.query("SELECT fall_at FROM notifications")
    assert row["fall_at"] < sleepless.now
    assert await resolve_undecided(sleepless.database, listed.notification_id, resend=True, clock=sleepless.clock)
    await sleepless.advance(29 * MINUTE)
    assert await Fallback(sleepless.database, sleepless.clock, sleepless.policy).fall() == 0
    await send_all(sender)
    assert sink.mails[0]["Message-ID"] == f"<{listed.notification_id}@example.org>"
    assert await mail_states(sleepless) == [("sent", None)]


async def test_a_resent_mail_that_has_no_next_channel_gets_none(sleepless, server):
    family = await sleepless.known_family(email=ADDRESS)
    await shown(sleepless, family, uuid4())
    await sleepless.advance(11 * MINUTE)
    sender = a_sender(sleepless, server)
    await sender._claim()
    await sleepless.query("UPDATE notifications SET fall_at = NULL RETURNING 1")
    await sleepless.advance(5 * HOUR)
    await sender.list_abandoned()
    (listed,) = await list_mails(sleepless.database)
    assert await resolve_undecided(sleepless.database, listed.notification_id, resend=True, clock=sleepless.clock)
    assert await sleepless.query("SELECT 1 FROM notifications WHERE state = 'retry' AND fall_at IS NULL")


class LosesTheDatabase(MailConnection):
    """A connection to the mail server in the moment in which the database goes away: after its 250."""

    def __init__(self, server: Server, database: Database) -> None:
        super().__init__(server)
        self._database = database

    async def send(self, mail: Mail) -> Verdict:
        verdict = await super().send(mail)
        await self._database.close()
        return verdict


async def test_what_was_sent_while_the_database_went_away_is_written_down_when_it_is_back(
    district, server, sink, service_database
):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server)
    urls = await service_database.urls("publisher")
    sender.database = await Database.connect(urls.app, application_name="test.lost")
    connection = LosesTheDatabase(server, sender.database)
    for _ in range(2):
        with pytest.raises(asyncpg.InterfaceError):
            await sender.send_due(connection)
    assert await mail_states(district) == [("claimed", None)]
    sender.database = district.database
    await district.advance(5 * MINUTE)
    await sender.beat()
    assert await sender.list_abandoned() == 0
    assert await sender.send_due(connection) == 1
    assert await mail_states(district) == [("sent", None)]
    assert (len(sink.mails), len(await district.ledger("emailed"))) == (1, 1)


@pytest.mark.parametrize(("ends", "state"), [(True, ("cancelled", "no_consent")), (False, ("sent", None))])
async def test_a_mail_to_a_parent_is_not_sent_once_the_student_is_18_though_nobody_has_noticed_it_yet(
    sleepless, server, sink, ends, state
):
    district = sleepless
    family = await district.known_family(email=ADDRESS, birth_date=date(2008, 10, 24))
    await district.advance(10 * HOUR - 5 * MINUTE)  # five minutes to midnight in Moscow
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server)
    sender.policy = replace(district.policy, representation_ends_at_majority=ends)
    await send_all(sender)
    assert await mail_states(district) == [state]
    assert sink.recipients == ([] if ends else [ADDRESS])


async def test_a_mail_that_was_claimed_on_the_last_day_before_18_is_checked_again_before_it_is_sent(sleepless, server):
    district = sleepless
    family = await district.known_family(email=ADDRESS, birth_date=date(2008, 10, 24))
    await district.advance(10 * HOUR - 12 * MINUTE)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender_id = uuid4()
    async with district.database.transaction(DISTRICT) as conn:
        (letter,), _ = await notifications.claim(conn, sender_id, district.now, 5, district.policy)
        at = (conn, letter.notification_id, sender_id)
        assert await notifications.standing(*at, district.now, district.policy) == (True, True)
        assert await notifications.standing(*at, district.now + 2 * MINUTE, district.policy) == (True, False)


async def test_a_claim_that_a_living_process_lost_is_undecided_and_listed(district, server):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server)
    async with district.database.transaction(DISTRICT) as conn:
        # As a claim whose commit succeeded and whose answer was lost.
        await notifications.claim(conn, sender.sender_id, district.now, 5, district.policy)
    await district.advance(5 * MINUTE)
    await sender.beat()
    assert await sender.list_abandoned() == 1
    assert [one.reason for one in await list_mails(district.database)] == ["sender_lost"]


async def test_a_mail_that_cannot_be_written_harms_no_other_and_is_tried_again(district, server, sink):
    broken, other = await district.known_family(email=ADDRESS), district.family()
    await district.tell(other.person(), other.account(other.mother), other.consent(other.mother, email="b@example.org"))
    result = uuid4()
    await shown(district, broken, result)
    await district.advance(SECOND)
    await shown(district, other, uuid4())
    await district.query("UPDATE results SET period_kind = 'unheard of' WHERE result_id = $1 RETURNING 1", result)
    await district.advance(11 * MINUTE)
    await send_all(a_sender(district, server))
    assert sink.recipients == ["b@example.org"]
    assert await mail_states(district) == [("retry", "not_prepared"), ("sent", None)]


async def test_a_letter_whose_address_went_away_while_it_was_claimed_is_cancelled(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server)
    (letter,), _ = await sender._claim()
    connection = MailConnection(server)
    await sender._settle([await sender._send(replace(letter, email=None), connection, time.monotonic())])
    assert sink.mails == []
    assert await mail_states(district) == [("cancelled", "no_address")]


async def test_many_senders_at_once_send_each_mail_once(district, server, sink):
    families = [district.family() for _ in range(12)]
    await district.hear()
    await district.tell(
        district.school(),
        *(one.person() for one in families),
        *(one.account(one.mother) for one in families),
        *(one.consent(one.mother, email=f"{index}@example.org") for index, one in enumerate(families)),
    )
    for family in families:
        await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    senders = [a_sender(district, server, claim_batch=2) for _ in range(4)]
    await asyncio.gather(*(send_all(one) for one in senders))
    assert sorted(sink.recipients) == sorted(f"{index}@example.org" for index in range(12))


async def test_a_new_result_while_a_mail_waits_for_its_retry_is_told_in_a_mail_of_its_own(district, server, sink):
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sink.answers.append("451 come later")
    sender = a_sender(district, server)
    await send_all(sender)
    await shown(district, family, uuid4(), subject="Физика")
    await district.advance(11 * MINUTE)
    await send_all(sender)
    assert sorted("Физика" in plain_text(one) for one in sink.mails) == [False, True]
    assert len({one["Message-ID"] for one in sink.mails}) == 2


async def test_the_next_due_time_is_computed_by_the_database(district, server):
    family = await district.known_family(email=ADDRESS)
    sender = a_sender(district, server)
    assert await sender._next() is None
    await shown(district, family, uuid4())
    assert await sender._next() == pytest.approx(600)
    await district.advance(START + 5 * MINUTE - district.now)
    assert await sender._next() == pytest.approx(300)
