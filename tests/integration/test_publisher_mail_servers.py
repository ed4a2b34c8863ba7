"""Mail servers that are away, slow, busy, or do not like us; and providers that must not be hurried."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from services.publisher.mail.gate import Gate
from services.publisher.mail.providers import read_rates
from services.publisher.mail.smtp import MailConnection, Server
from services.publisher.queries import mail
from tests.integration.publisher_district import SECOND, District
from tests.integration.publisher_mail import (
    ADDRESS,
    MINUTE,
    Sink,
    a_sender,
    mail_states,
    send_all,
    serving,
    shown,
)
from tests.support.databases import ServiceDatabases

SLOW, QUICK = "slow.example", "quick.example"


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


async def a_mail_waits(district: District) -> None:
    family = await district.known_family(email=ADDRESS)
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)


async def mails_wait(district: District, *addresses: str) -> None:
    """A mail for each address, due in this order."""
    families = [district.family() for _ in addresses]
    await district.hear()
    await district.tell(
        district.school(),
        *(one.person() for one in families),
        *(one.account(one.mother) for one in families),
        *(one.consent(one.mother, email=address) for one, address in zip(families, addresses, strict=True)),
    )
    for family in families:
        await shown(district, family, uuid4())
        await district.advance(timedelta(milliseconds=1))
    await district.advance(11 * MINUTE)


async def to_the_next(district: District) -> None:
    """Moves the clock to where something is due again."""
    (row,) = await district.query("SELECT min(send_after) AS at FROM notifications WHERE state IN ('queued', 'retry')")
    await district.advance(row["at"] - district.now)


async def test_mails_wait_while_the_server_is_down_and_go_when_it_is_back(district, sink):
    await a_mail_waits(district)
    with serving(sink) as gone:
        pass
    sender = a_sender(district, gone)
    connection = MailConnection(gone)
    with pytest.raises(OSError, match="mail server"):
        await sender.send_due(connection)
    assert await mail_states(district) == [("queued", None)]
    with serving(sink) as back:
        await send_all(a_sender(district, back))
    assert sink.recipients == [ADDRESS]


async def test_a_greylisted_mail_is_tried_again_and_arrives(district, server, sink):
    await a_mail_waits(district)
    sink.rcpt_answers.append("450 4.7.1 greylisted, come back in a minute")
    sender = a_sender(district, server)
    await send_all(sender)
    assert await mail_states(district) == [("retry", "smtp_450")]
    await to_the_next(district)
    await district.advance(MINUTE)
    await send_all(sender)
    assert await mail_states(district) == [("sent", None)]
    assert len(sink.mails) == 1


async def test_a_refused_mail_leaves_the_connection_to_the_next_one(district, server, sink):
    await mails_wait(district, "a@one.example", "b@two.example", "c@three.example")
    sink.refused["one.example"] = "550 5.7.1 no"
    sink.answers.append("552 5.3.4 too large")
    await send_all(a_sender(district, server))
    assert sink.recipients == ["c@three.example"]
    assert sink.connections == 1
    assert [one for one, _ in await mail_states(district)] == ["failed", "failed", "sent"]


async def test_a_server_that_closes_a_kept_connection_gets_the_mail_over_a_new_one(district, server, sink):
    await mails_wait(district, "a@one.example", "b@two.example")
    sender, connection = a_sender(district, server, claim_batch=1), MailConnection(server)
    await sender.send_due(connection)
    sink.mail_answers.append("421 4.4.2 idle for too long")
    await send_all(sender, connection)
    assert sink.recipients == ["a@one.example", "b@two.example"]
    assert sink.connections == 2
    assert await mail_states(district) == [("sent", None), ("sent", None)]


async def test_a_421_after_the_recipient_is_no_failure_and_the_others_still_go(district, server, sink):
    await mails_wait(district, "a@one.example", "b@two.example")
    sink.rcpt_answers.append("421 4.7.0 too many connections")
    await send_all(a_sender(district, server))
    assert sink.recipients == ["b@two.example"]
    assert await mail_states(district) == [("retry", "smtp_421"), ("sent", None)]


async def test_a_connection_that_breaks_before_the_message_is_tried_once_more_at_once(district, server, sink):
    await mails_wait(district, "a@one.example", "b@two.example")
    sender, connection = a_sender(district, server, claim_batch=1), MailConnection(server)
    await sender.send_due(connection)
    sink.drop_at_rcpt = 1
    await send_all(sender, connection)
    assert await mail_states(district) == [("sent", None), ("sent", None)]
    assert len(sink.mails) == 2


async def test_a_kept_connection_that_breaks_late_is_no_reason_to_send_on_a_consent_looked_at_long_ago(
    district, server, sink
):
    await mails_wait(district, "a@one.example", "b@two.example")
    sender, connection = a_sender(district, server, claim_batch=1), MailConnection(server)
    await sender.send_due(connection)
    sink.drop_at_rcpt, sink.delay_seconds = 1, 1.2
    await send_all(sender, connection)
    assert await mail_states(district) == [("sent", None), ("retry", "connection_lost")]
    sink.delay_seconds = 0.0
    await to_the_next(district)
    await send_all(sender, connection)
    assert sink.recipients == ["a@one.example", "b@two.example"]


async def test_a_connection_that_breaks_after_the_message_leaves_one_mail_undecided_and_harms_no_other(
    district, server, sink
):
    await mails_wait(district, "a@one.example", "b@two.example")
    sink.drop_after_data = True
    sender, connection = a_sender(district, server, claim_batch=1), MailConnection(server)
    await sender.send_due(connection)
    sink.drop_after_data = False
    await send_all(sender, connection)
    assert await mail_states(district) == [("undecided", "connection_lost_after_data"), ("sent", None)]
    assert len(sink.mails) == 2


async def test_a_server_that_never_answers_is_left_after_the_set_time(district, sink):
    await a_mail_waits(district)
    sink.delay_seconds = 30
    with serving(sink, timeout_seconds=0.3) as server:
        started = time.monotonic()
        await send_all(a_sender(district, server))
        assert time.monotonic() - started < 5
    assert await mail_states(district) == [("retry", "connection_lost")]


async def test_a_mailbox_that_is_full_fails_the_mail_and_keeps_the_address(district, server, sink):
    await a_mail_waits(district)
    sink.answers.append("552 5.2.2 mailbox full")
    await send_all(a_sender(district, server))
    assert await mail_states(district) == [("failed", "smtp_552")]
    assert await district.query("SELECT 1 FROM suppressions") == []


async def test_a_recipient_that_the_server_does_not_know_gets_nothing_any_more(district, server, sink):
    await a_mail_waits(district)
    sink.rcpt_answers.append("550 5.1.1 no such user")
    await send_all(a_sender(district, server))
    assert await mail_states(district) == [("failed", "smtp_550")]
    (row,) = await district.query("SELECT reason, status, lifted_at FROM suppressions")
    assert (row["reason"], row["status"], row["lifted_at"]) == ("address", "5.1.1", None)
    (bounce,) = await district.query("SELECT way FROM bounces")
    assert bounce["way"] == "smtp"


async def test_each_mail_has_a_return_address_of_its_own_on_the_envelope(district, server, sink):
    await a_mail_waits(district)
    head = a_sender(district, server).sending.letterhead
    await send_all(a_sender(district, server, letterhead=replace(head, return_address="back@example.org")))
    (row,) = await district.query("SELECT notification_id FROM notifications")
    assert sink.senders == [f"back+{row['notification_id']}@example.org"]


# Rates


async def test_a_provider_gets_no_more_than_its_rate_and_holds_up_nobody_else(district, server, sink):
    slow = [f"{number}@{SLOW}" for number in range(12)]
    quick = [f"{number}@{QUICK}" for number in range(6)]
    await mails_wait(district, *slow, *quick)
    sender = a_sender(district, server, rates=read_rates(f"{SLOW}=2/s"))
    for _ in range(4):
        await send_all(sender)
    sent = Counter(one.rpartition("@")[2] for one in sink.recipients)
    assert sent == {SLOW: 2, QUICK: 6}
    per_second = []
    for _ in range(20):
        before = len(sink.recipients)
        await district.advance(SECOND)
        await send_all(sender)
        per_second.append(len(sink.recipients) - before)
    assert max(per_second) <= 2
    assert sorted(sink.recipients) == sorted([*slow, *quick])


async def test_the_mails_that_wait_keep_their_order_and_their_state(district, server, sink):
    await mails_wait(district, *(f"{number}@{SLOW}" for number in range(4)))
    sender = a_sender(district, server, rates=read_rates(f"{SLOW}=1/s"))
    await send_all(sender)
    assert (await mail_states(district))[1:] == [("queued", None)] * 3
    rows = await district.query("SELECT attempts FROM notifications WHERE state = 'queued'")
    assert [row["attempts"] for row in rows] == [0, 0, 0]
    for _ in range(12):
        await district.advance(SECOND)
        await send_all(sender)
    assert sink.recipients == [f"{number}@{SLOW}" for number in range(4)]


async def test_all_processes_share_one_bucket(district, server, sink):
    await mails_wait(district, *(f"{number}@{SLOW}" for number in range(20)))
    rates = read_rates(f"{SLOW}=3/s")
    senders = [a_sender(district, server, rates=rates, claim_batch=2) for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(send_all(one) for one in senders))
    assert len(sink.recipients) == 3
    await district.advance(SECOND)
    for _ in range(3):
        await asyncio.gather(*(send_all(one) for one in senders))
    assert len(sink.recipients) <= 6


async def test_what_was_not_sent_while_nobody_ran_does_not_come_as_a_flood(district, server, sink):
    await mails_wait(district, *(f"{number}@{SLOW}" for number in range(30)))
    sender = a_sender(district, server, rates=read_rates(f"{SLOW}=2/s"))
    await send_all(sender)
    await district.advance(5 * MINUTE)
    before = len(sink.recipients)
    for _ in range(3):
        await send_all(sender)
    assert len(sink.recipients) - before == 2


@pytest.mark.parametrize("answer", ["421 4.7.0 too fast", "451 4.7.28 rate limit", "450 4.7.1 slow down"])
async def test_a_provider_that_says_we_are_too_fast_is_left_alone_and_the_others_are_not(
    district, server, sink, answer
):
    await mails_wait(district, f"a@{SLOW}", f"b@{SLOW}", f"c@{QUICK}")
    sink.refused[SLOW] = answer
    sender = a_sender(district, server, claim_batch=1)
    for _ in range(3):
        await send_all(sender)
    assert sink.recipients == [f"c@{QUICK}"]
    rows = await district.query(
        "SELECT attempts, send_after FROM notifications WHERE state <> 'sent' ORDER BY queued_at"
    )
    assert [row["attempts"] for row in rows] == [1, 0]
    assert rows[1]["send_after"] - district.now >= timedelta(seconds=29)
    sink.refused.clear()
    await district.advance(2 * MINUTE)
    await send_all(sender)
    assert len(sink.recipients) == 3


async def test_the_pause_doubles_while_it_goes_on_and_begins_anew_after_a_quiet_time(district):
    gate = Gate(read_rates(""), pause_seconds=30, longest_pause_seconds=100)

    async def pause() -> float | None:
        async with district.database.transaction(DISTRICT) as conn:
            await gate.slow_down(conn, [f"a@{SLOW}"], district.now)
            provider = gate.rates.provider(f"a@{SLOW}").name
            (row,) = await conn.fetch("SELECT paused_until FROM mail_providers WHERE provider = $1", provider)
        return float((row["paused_until"] - district.now).total_seconds())

    assert await pause() == 30
    assert await pause() == 30  # what was on its way when the pause began says nothing new
    await district.advance(31 * SECOND)
    assert await pause() == 60
    await district.advance(61 * SECOND)
    assert await pause() == 100
    await district.advance(301 * SECOND)
    assert await pause() == 30


async def test_results_that_come_while_a_mail_waits_for_its_turn_join_it(district, server, sink):
    await mails_wait(district, f"a@{SLOW}")
    family = await district.known_family(email=f"b@{SLOW}")
    await shown(district, family, uuid4())
    await district.advance(11 * MINUTE)
    sender = a_sender(district, server, rates=read_rates(f"{SLOW}=1/m"))
    await send_all(sender)
    await shown(district, family, uuid4(), subject="Физика")
    for _ in range(8):
        await district.advance(MINUTE)
        await send_all(sender)
    assert len(sink.mails) == 2


async def test_looking_for_what_may_be_sent_reads_no_more_than_it_must(district):
    async with district.database.transaction(DISTRICT) as conn:
        await conn.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(
            row[0] for row in await conn.fetch("EXPLAIN " + mail._DUE.replace("$1", "now()").replace("$2", "5"))
        )
    assert "notifications_due" in plan
    assert "suppressions_in_force" in plan
